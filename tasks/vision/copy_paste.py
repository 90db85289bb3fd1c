"""Objects of one image pasted over another (Ghiasi et al. 2021, "Simple Copy-Paste"): their masks,
or else their boxes.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an
image.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.engine.randomness import mix_keys
from tasks.vision.padding import Size

_PASTE_STREAM = 3  # keeps these draws apart from all else that an image's key names
_LEAST_VISIBLE = 0.1  # share of a box; objects of which less is left to see are dropped


@dataclass(frozen=True)
class Prepared:
    """An image of its own size, with its objects."""

    image: Tensor  # (3, h, w) uint8
    original_size: Size
    boxes: NDArray[np.float32]  # (n, 4) in pixels of `image`
    labels: NDArray[np.int64]  # (n,)
    crowd: NDArray[np.bool_]  # (n,)
    masks: tuple[
        NDArray[np.bool_] | None, ...
    ] = ()  # (h, w) of each object that has one; empty where nobody asked


def paste_objects(target: Prepared, source: Prepared, key: int) -> Prepared:
    """The target with about half of the source's objects over it, which of them decided by the key;
    crowds stay behind.

    Boxes of the target shrink to where they are not covered, or are dropped; crowds stay as they
    are.
    """
    height, width = target.image.shape[1:]
    chosen = (
        mix_keys(key, _PASTE_STREAM, np.arange(len(source.boxes))) % 2 == 0
    ) & ~source.crowd  # (n,)
    boxes = np.minimum(
        source.boxes, np.array([width, height] * 2, dtype=np.float32)
    )  # clipped to the target
    chosen &= np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=1)
    if not chosen.any():
        return target
    image, covered = target.image.clone(), np.zeros((height, width), dtype=np.bool_)
    for place, (x1, y1, x2, y2) in zip(
        np.flatnonzero(chosen).tolist(), _pixels(boxes[chosen]), strict=True
    ):
        mask, part = source.masks[place] if source.masks else None, image[:, y1:y2, x1:x2]
        shape = np.ones((y2 - y1, x2 - x1), dtype=np.bool_) if mask is None else mask[y1:y2, x1:x2]
        part.copy_(torch.where(torch.from_numpy(shape.copy()), source.image[:, y1:y2, x1:x2], part))
        covered[y1:y2, x1:x2] |= shape
    left = [
        box if crowd else _visible(box, covered)
        for box, crowd in zip(target.boxes, target.crowd, strict=True)
    ]
    kept = np.array([box is not None for box in left], dtype=np.bool_)
    rest = np.array([box for box in left if box is not None], dtype=np.float32).reshape(-1, 4)
    return replace(
        target,
        image=image,
        boxes=np.concatenate((rest, boxes[chosen])),
        labels=np.concatenate((target.labels[kept], source.labels[chosen])),
        crowd=np.concatenate((target.crowd[kept], source.crowd[chosen])),
    )


def _pixels(boxes: NDArray[np.float32]) -> list[list[int]]:
    """Boxes in whole pixels, outwards, as lists of x1, y1, x2, y2."""
    corners: list[list[int]] = (
        np.concatenate((np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])), axis=1).astype(int).tolist()
    )
    return corners


def _visible(box: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """The smallest box around what is not covered of a box; None where that is too little."""
    ((x1, y1, x2, y2),) = _pixels(box[None])
    free = ~covered[y1:y2, x1:x2]
    if free.all():
        return box
    if free.mean() < _LEAST_VISIBLE:
        return None
    rows, columns = np.flatnonzero(free.any(axis=1)), np.flatnonzero(free.any(axis=0))
    around = np.array(
        [x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1], dtype=np.float32
    )
    return np.concatenate((np.maximum(box[:2], around[:2]), np.minimum(box[2:], around[2:])))
