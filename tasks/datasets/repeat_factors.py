"""How often each image is drawn, so that rare categories are seen more often.

Gupta et al. 2019 (LVIS), appendix.  N images, M objects, K classes.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset


def repeat_factors(
    dataset: CocoDataset, usable: NDArray[np.int64], threshold: float
) -> NDArray[np.float64]:
    """Compute the factors (N,), each >= 1, of the images at the indices `usable` (N,).

    A category in a share f of these images (crowds not counted) has the factor max(1,
    sqrt(threshold / f)); an image has the factor of its rarest category.
    """
    owners = np.repeat(np.arange(len(dataset)), np.diff(dataset.first))  # (M,)
    holds = np.zeros((len(dataset), dataset.label_map.num_classes), dtype=np.bool_)
    holds[owners[~dataset.crowd], dataset.labels[~dataset.crowd]] = True
    holds = holds[usable]  # (N, K)
    share = np.maximum(holds.sum(axis=0), 1) / len(usable)  # (K,)
    factors = np.maximum(1, np.sqrt(threshold / share))  # (K,)
    return np.asarray(np.where(holds, factors, 1).max(axis=1, initial=1))
