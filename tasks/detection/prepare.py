"""One image on its way into a batch: decoded, augmented, resized by the recipe's rule, flipped, its
boxes with it.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an
image.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tasks.coco import CocoDataset, FileId, size_mismatch
from tasks.coco_objects import decode_mask
from tasks.detection.augment import Augmenter
from tasks.detection.config import DataConfig
from tasks.detection.paste import Prepared, Size, paste_objects
from tasks.images import decode

Rounding = Literal["half_up", "floor"]

_UNMOVED = 0.01  # pixels that an augmentation of colours, by rounding, moves a box at most
_LEAST_SIDE = 1e-5  # pixels; boxes that are thinner after clipping are dropped (detectron2 `filter_empty_instances`)


@dataclass(frozen=True)
class Window:
    """Part of a resized image; it may reach past the right and lower border."""

    top: int
    left: int
    size: Size


@dataclass(frozen=True)
class Sample:
    """What is to be done with one image; all chance is in here."""

    index: int  # place in the data set
    key: int  # names the image's random draws in this step
    size: Size  # after resizing
    flip: bool
    window: Window | None = None  # what is kept of the resized image
    paste: "Sample | None" = None  # the image whose objects are pasted over this one

    @property
    def final_size(self) -> Size:
        """Size of what is kept."""
        if self.window is None:
            return self.size
        ends = self.size[0] - self.window.top, self.size[1] - self.window.left
        return min(self.window.size[0], ends[0]), min(self.window.size[1], ends[1])


def resized_size(size: Size, short_edge: int, long_edge: int, rounding: Rounding) -> Size:
    """Size with the shorter side `short_edge`, or less where the longer would pass `long_edge`; at
    least 1 pixel.

    `half_up` is detectron2's `ResizeShortestEdge.get_output_shape`, `floor` torchvision's
    `GeneralizedRCNNTransform`, each with its own order of operations, so that floating-point
    rounding is theirs too.
    """
    height, width = size
    if rounding == "floor":
        scale = min(short_edge / min(size), long_edge / max(size))
        return max(1, int(height * scale)), max(1, int(width * scale))
    scale = short_edge / min(size)
    new_height, new_width = (
        (short_edge, scale * width) if height < width else (scale * height, short_edge)
    )
    if max(new_height, new_width) > long_edge:
        shrink = long_edge / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def jittered(
    size: Size, target: Size, factor: float, draws: tuple[float, float]
) -> tuple[Size, Window]:
    """Size that fits into `factor` times the target, and the window of the target's size that two
    draws place in it.

    detectron2's `ResizeScale` and `FixedSizeCrop`, but for the window's place, of which those draw
    one number only.
    """
    scale = min(target[0] * factor / size[0], target[1] * factor / size[1])
    height, width = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = (max(0, side - aim) for side, aim in zip((height, width), target, strict=True))
    return (height, width), Window(round(top * draws[0]), round(left * draws[1]), target)


def fitted_size(size: Size, limit: Size) -> Size:
    """The largest size of the same shape, to the pixel, that is no larger than `limit`."""
    scale = min(limit[0] / size[0], limit[1] / size[1])
    return min(limit[0], max(1, round(size[0] * scale))), min(
        limit[1], max(1, round(size[1] * scale))
    )


def resize(
    pixels: NDArray[np.uint8], size: Size, resize_filter: Literal["antialias", "bilinear"]
) -> Tensor:
    """Pixels (H, W, 3) at another size, as (3, h, w) uint8; `antialias` is PIL's bilinear filter to
    within 1.
    """
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # (1, 3, H, W), channels_last
    if pixels.shape[:2] == size:
        return image[0]
    if resize_filter == "antialias":
        return F.interpolate(image, size=size, mode="bilinear", antialias=True)[0]
    return F.interpolate(image.float(), size=size, mode="bilinear").round().to(torch.uint8)[0]


def load(
    dataset: CocoDataset,
    sample: Sample,
    config: DataConfig,
    augmenter: Augmenter | None = None,
    segmentations: Sequence[FileId] | None = None,
) -> Prepared:
    """The image that `sample` describes, from its file, with the objects of another where it says
    so.

    `segmentations` (M,) are the data set's, for what is pasted. Raises ValueError naming a file
    that is missing, damaged, or of another size than its annotations say.
    """
    prepared = _load_one(dataset, sample, config, augmenter)
    if sample.paste is None:
        return prepared
    source = _load_one(dataset, sample.paste, config, augmenter, segmentations)
    return paste_objects(prepared, source, sample.key)


def _load_one(
    dataset: CocoDataset,
    sample: Sample,
    config: DataConfig,
    augmenter: Augmenter | None,
    segmentations: Sequence[FileId] | None = None,
) -> Prepared:
    """The image that `sample` describes without what is pasted.

    An augmentation that changes the image's size is fitted into the planned one.
    """
    path = dataset.image_path(sample.index)
    pixels, annotated = decode(path, config.exif), tuple(dataset.sizes[sample.index].tolist())
    if pixels.shape[:2] != annotated:
        raise ValueError(size_mismatch(path, pixels.shape[:2], annotated, config.exif))
    rows = dataset.objects(sample.index)
    boxes, objects = _corners(dataset.boxes[rows]), np.arange(rows.start, rows.stop)
    size = sample.size
    if augmenter is not None:
        before = np.clip(boxes, 0, [annotated[1], annotated[0]] * 2)
        pixels, boxes, kept = augmenter(pixels, boxes, sample.key)
        objects = objects[kept]
        if not np.allclose(before[kept], boxes, atol=_UNMOVED):
            segmentations = None  # they are no longer where the pixels are
        size = (
            size
            if pixels.shape[:2] == annotated
            else fitted_size((pixels.shape[0], pixels.shape[1]), sample.size)
        )
    image, window = resize(pixels, size, config.resize_filter), sample.window or Window(0, 0, size)
    image = image[
        :, window.top : window.top + window.size[0], window.left : window.left + window.size[1]
    ]
    scaled = _scaled(boxes, (pixels.shape[0], pixels.shape[1]), size) - np.array(
        [window.left, window.top] * 2
    )
    corners, valid = _clipped(scaled, (image.shape[1], image.shape[2]), sample.flip)
    objects = objects[valid]
    return Prepared(
        image=image.flip(-1) if sample.flip else image,
        original_size=(pixels.shape[0], pixels.shape[1]),
        boxes=corners[valid],
        labels=dataset.labels[objects],
        crowd=dataset.crowd[objects],
        masks=() if segmentations is None else masks_of(dataset, segmentations, objects, sample),
    )


def without_objects(pixels: NDArray[np.uint8], config: DataConfig) -> Prepared:
    """An image to detect objects in, resized as in evaluation."""
    original = pixels.shape[0], pixels.shape[1]
    size = resized_size(original, config.test_short_edge, config.long_edge, config.resize_rounding)
    nothing = np.zeros(0, dtype=np.int64)
    image = resize(pixels, size, config.resize_filter)
    return Prepared(
        image, original, np.zeros((0, 4), dtype=np.float32), nothing, nothing.astype(np.bool_)
    )


def masks_of(
    dataset: CocoDataset,
    segmentations: Sequence[FileId],
    objects: NDArray[np.int64],
    sample: Sample,
) -> tuple[NDArray[np.bool_] | None, ...]:
    """Masks of some of an image's objects, resized to the nearest pixel, cut and flipped as the
    sample says.
    """
    (height, width), size = dataset.sizes[sample.index].tolist(), sample.size
    window = sample.window or Window(0, 0, size)
    rows = ((np.arange(size[0]) + 0.5) * (height / size[0])).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * (width / size[1])).astype(np.int64)
    rows = rows[window.top : window.top + window.size[0]]
    columns = columns[window.left : window.left + window.size[1]]
    kept = np.ix_(rows, columns[::-1] if sample.flip else columns)
    name = f"an annotation of image {dataset.original_ids[sample.index]!r}"
    masks = [
        decode_mask(json.loads(str(segmentations[row])), height, width, name)
        for row in objects.tolist()
    ]
    return tuple(None if mask is None else mask[kept] for mask in masks)


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x, y, width, height) to (x1, y1, x2, y2)."""
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def _scaled(boxes: NDArray[np.float64], old: Size, new: Size) -> NDArray[np.float64]:
    """Boxes scaled by each axis's own exact ratio."""
    scaled: NDArray[np.float64] = boxes * np.array([new[1] / old[1], new[0] / old[0]] * 2)
    return scaled


def _clipped(
    boxes: NDArray[np.float64], size: Size, flip: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes flipped, then clipped; and which still have an area as float32."""
    height, width = size
    if flip:
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    clipped = np.clip(boxes, 0, np.array([width, height] * 2)).astype(np.float32)
    return clipped, np.all(clipped[:, 2:] - clipped[:, :2] > _LEAST_SIDE, axis=1)
