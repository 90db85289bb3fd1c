"""Select the images of a data set that can be trained on.  N images, M objects."""

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.errors import DataError


def usable_images(
    dataset: CocoDataset, keep_empty: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the indices of the images to train on, and a note of those left out.

    Images without objects (crowds do not count) are left out unless `keep_empty`. Raises DataError
    if no image is left.
    """
    owners = np.repeat(np.arange(len(dataset)), np.diff(dataset.first))  # (M,)
    has_object = np.bincount(owners[~dataset.crowd], minlength=len(dataset)) > 0
    usable = np.arange(len(dataset)) if keep_empty else np.flatnonzero(has_object)
    if len(usable) == 0:
        rule = (
            f"training needs at least one image with an object that is not a crowd, {dataset.path}"
            f" has none in {len(dataset)} images"
        )
        raise DataError(rule, "check its annotations, or set data.keep_empty=true")
    left_out = len(dataset) - len(usable)
    text = (
        f"{left_out} of {len(dataset)} training images have no object that is not a crowd, and"
        " were left out"
    )
    return usable, (f"{text}; data.keep_empty=true trains on them",) if left_out else ()
