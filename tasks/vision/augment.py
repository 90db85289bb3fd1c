"""albumentations on an image and its boxes, with every draw named by a key.  n objects of an image,
m of them kept.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError

Augmenter = Callable[
    [NDArray[np.uint8], NDArray[np.float64], int],
    tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]],
]
"""(pixels (H, W, 3), boxes (n, 4) as x1, y1, x2, y2, key) -> pixels, boxes (m, 4), which of the n
they are (m,)."""


def build_augmenter(file: str | None, color_jitter: float) -> Augmenter | None:
    """The augmentation in the file data.augment, then data.color_jitter; None where neither is set.

    Raises UserError where data.augment is not a file that albumentations can load.
    """
    if file is None and color_jitter == 0:
        return None
    os.environ.setdefault(
        "NO_ALBUMENTATIONS_UPDATE", "1"
    )  # it asks the network for newer versions otherwise
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # loader workers run side by side already
    import albumentations

    strength = color_jitter
    spread = (1 - strength, 1 + strength)
    hue = (-strength / 10, strength / 10)
    jitter = albumentations.ColorJitter(
        brightness=spread, contrast=spread, saturation=spread, hue=hue, p=1
    )
    from_file = [] if file is None else [_load(Path(file))]
    return Albumentations([*from_file, *([jitter] if strength else [])])


def _load(path: Path) -> Any:
    import albumentations

    try:
        return albumentations.load(path, data_format="json" if path.suffix == ".json" else "yaml")
    except Exception as error:  # whatever a file of any content makes albumentations raise
        raise UserError(
            "data.augment must be a .json or .yaml file written by albumentations.save, cannot"
            f" load {path}: {error}"
        ) from error


class Albumentations:
    """An `Augmenter` of albumentations transforms."""

    def __init__(self, transforms: list[Any]) -> None:
        import albumentations

        boxes = albumentations.BboxParams(
            format="pascal_voc", label_fields=["places"], clip=True, filter_invalid_bboxes=True
        )
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Got processor for bboxes, but no transform"
            )  # all of them change colours
            self.pipeline = albumentations.Compose(transforms, bbox_params=boxes)

    def __call__(
        self, pixels: NDArray[np.uint8], boxes: NDArray[np.float64], key: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
        """The same key gives the same result, whatever was drawn before."""
        self.pipeline.set_random_seed(key % 2**32)
        result = self.pipeline(image=pixels, bboxes=boxes, places=np.arange(len(boxes)))
        kept = np.asarray(result["places"], dtype=np.int64).reshape(-1)
        moved = np.asarray(result["bboxes"], dtype=np.float64).reshape(-1, 4)
        return np.ascontiguousarray(result["image"]), moved, kept
