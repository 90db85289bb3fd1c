"""The overview of a split that a page shows.  N images, K classes, M objects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.checks.anchors import AnchorGrid
from tasks.images import Labels, Pixels
from tasks.labels import LabelMap
from tasks.plots import LabelledBoxes

SMALL = 32.0**2
"""COCO's limits of areas, in square pixels of the file."""
LARGE = 96.0**2


@dataclass(frozen=True)
class Example:
    """An image with its annotations."""

    name: str
    pixels: Pixels  # (H, W, 3)
    boxes: LabelledBoxes | None = None
    labels: Labels | None = None  # (H, W)
    class_name: str = ""
    """Its class, if the image has one class."""


@dataclass(frozen=True, kw_only=True)
class ObjectSizes:
    """Sizes of the objects (crowds left out), and how well anchors match them."""

    areas: NDArray[np.float64]  # (M,) square pixels of the file
    resized: NDArray[np.float64]  # (M,) root of the box's area after the resize, in pixels
    best_iou: NDArray[np.float64]  # (M,) with any anchor
    grid: AnchorGrid


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The content of a split, to be drawn."""

    counted: Literal["objects", "images", "pixels"]
    """Count of each class; for pixels, their share."""
    label_map: LabelMap
    by_class: NDArray[np.float64]  # (K,)
    sizes: NDArray[np.int64]  # (N, 2) height and width of the images that can be read
    examples: int
    """Annotated images that can be shown."""
    example: Callable[[int], Example]
    """Reads one of them; UserError if that fails."""
    objects: ObjectSizes | None = None
    """None if no object has a box."""
