"""Paste objects of one image over another (Ghiasi et al. 2021, "Simple Copy-Paste"): their masks,
otherwise their boxes.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an
image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.engine.randomness import Stream, mix_keys
from tasks.vision.padding import Size

MOST_PASTED = 100
"""Most objects of an image that are pasted, as a crowded image would take minutes."""
_LEAST_VISIBLE = 0.1  # share of an object; those with a smaller visible part are dropped

Box = NDArray[np.float32]  # (4,)
Mask = NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Prepared:
    """An image of its own size, with its objects."""

    image: Tensor
    """(3, h, w) uint8."""
    original_size: Size
    boxes: NDArray[np.float32]
    """(n, 4) in pixels of `image`."""
    labels: NDArray[np.int64]
    """(n,)."""
    crowd: NDArray[np.bool_]
    """(n,)."""
    masks: Sequence[Mask | None] | None = None
    """Of each object, None for one without mask; None if no masks were requested."""

    def mask_of(self, index: int) -> Mask | None:
        """Return the mask of an object, if it has one."""
        return None if self.masks is None else self.masks[index]


def paste_objects(target: Prepared, source: Prepared, key: int) -> Prepared:
    """Paste about half of the source's objects over the target, at most MOST_PASTED; the key
    decides which.

    Crowds of the source stay behind. Objects of the target shrink to their visible part, boxes and
    masks alike, or are dropped if too little of them is left; its crowds keep their boxes.
    """
    boxes = _clipped(source.boxes, (target.image.shape[1], target.image.shape[2]))
    chosen = _chosen(source, boxes, key)
    if len(chosen) == 0:
        return target
    image, covered = _painted(target, source, boxes, chosen)
    visible = [
        box if crowd else _visible_box(box, target.mask_of(index), covered)
        for index, (box, crowd) in enumerate(zip(target.boxes, target.crowd, strict=True))
    ]
    kept = np.array([index for index, box in enumerate(visible) if box is not None], dtype=np.int64)
    left = np.array([box for box in visible if box is not None], dtype=np.float32).reshape(-1, 4)
    return replace(
        target,
        image=image,
        boxes=np.concatenate((left, boxes[chosen])),
        labels=np.concatenate((target.labels[kept], source.labels[chosen])),
        crowd=np.concatenate((target.crowd[kept], source.crowd[chosen])),
        masks=_merged_masks(target, source, kept, chosen, covered),
    )


def _clipped(boxes: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Cut boxes that start inside an image at its right and lower border."""
    height, width = size
    return np.minimum(boxes, np.array([width, height] * 2, dtype=np.float32))


def _chosen(source: Prepared, boxes: NDArray[np.float32], key: int) -> NDArray[np.int64]:
    """Choose the source's objects to paste, by index, given their boxes inside the target."""
    keys = mix_keys(key, Stream.PASTE, np.arange(len(boxes)))  # (n,)
    large = np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=1)
    chosen = np.flatnonzero((keys % 2 == 0) & large & ~source.crowd)
    first = np.argsort(keys[chosen], kind="stable")[:MOST_PASTED]
    return np.sort(chosen[first])


def _painted(
    target: Prepared, source: Prepared, boxes: NDArray[np.float32], chosen: NDArray[np.int64]
) -> tuple[Tensor, Mask]:
    """Copy the target's image with the chosen objects over it, and return the covered pixels."""
    image = target.image.clone()
    covered = np.zeros(image.shape[1:], dtype=np.bool_)
    for index in chosen.tolist():
        rows, columns = _pixels(boxes[index])
        shape = _shape(source.mask_of(index), rows, columns)
        part = image[:, rows, columns]
        pasted = source.image[:, rows, columns]
        part.copy_(torch.where(torch.from_numpy(shape.copy()), pasted, part))
        covered[rows, columns] |= shape
    return image, covered


def _visible_box(box: Box, mask: Mask | None, covered: Mask) -> Box | None:
    """Return the smallest box around an object's visible part; None if that is too small."""
    rows, columns = _pixels(box)
    shape = _shape(mask, rows, columns)
    visible = shape & ~covered[rows, columns]
    if np.array_equal(visible, shape):
        return box
    if visible.sum() / shape.sum() < _LEAST_VISIBLE:
        return None
    y = rows.start + np.flatnonzero(visible.any(axis=1))
    x = columns.start + np.flatnonzero(visible.any(axis=0))
    low = np.array([x[0], y[0]], dtype=np.float32)
    high = np.array([x[-1] + 1, y[-1] + 1], dtype=np.float32)
    return np.concatenate((np.maximum(box[:2], low), np.minimum(box[2:], high)))


def _merged_masks(
    target: Prepared,
    source: Prepared,
    kept: NDArray[np.int64],
    chosen: NDArray[np.int64],
    covered: Mask,
) -> tuple[Mask | None, ...] | None:
    """Return the masks of the remaining target objects, where not covered, and of the pasted
    ones.
    """
    if target.masks is None:
        return None
    height, width = covered.shape
    masks: list[Mask | None] = []
    for index in kept.tolist():
        mask = target.masks[index]
        masks.append(None if mask is None else mask & ~covered)
    for index in chosen.tolist():
        mask = source.mask_of(index)
        masks.append(None if mask is None else _on_image(mask, (height, width)))
    return tuple(masks)


def _on_image(mask: Mask, size: Size) -> Mask:
    """Place a mask at the upper left corner of an image of another size."""
    placed = np.zeros(size, dtype=np.bool_)
    part = mask[: size[0], : size[1]]
    placed[: part.shape[0], : part.shape[1]] = part
    return placed


def _pixels(box: Box) -> tuple[slice, slice]:
    """Return the rows and columns of a box, rounded outwards to whole pixels."""
    left, top = np.floor(box[:2]).astype(int).tolist()
    right, bottom = np.ceil(box[2:]).astype(int).tolist()
    return slice(top, bottom), slice(left, right)


def _shape(mask: Mask | None, rows: slice, columns: slice) -> Mask:
    """Return the part of a mask in a box, or the whole box without a mask."""
    if mask is not None:
        return mask[rows, columns]
    return np.ones((rows.stop - rows.start, columns.stop - columns.start), dtype=np.bool_)
