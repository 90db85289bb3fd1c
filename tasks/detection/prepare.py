"""One image on its way into a batch: decoded, augmented, resized by the recipe's rule, flipped, its boxes with it.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tasks.coco import CocoDataset, size_mismatch
from tasks.detection.augment import Augmenter
from tasks.detection.config import DataConfig
from tasks.images import decode

Size = tuple[int, int]
Rounding = Literal["half_up", "floor"]

_LEAST_SIDE = 1e-5  # pixels; boxes that are thinner after clipping are dropped (detectron2 `filter_empty_instances`)


@dataclass(frozen=True)
class Sample:
    """What is to be done with one image; all chance is in here."""

    index: int  # place in the data set
    key: int  # names the image's random draws in this step
    size: Size  # after resizing
    flip: bool


@dataclass(frozen=True)
class Prepared:
    """An image of its own size, with its objects."""

    image: Tensor  # (3, h, w) uint8
    original_size: Size
    boxes: NDArray[np.float32]  # (n, 4) in pixels of `image`
    labels: NDArray[np.int64]  # (n,)
    crowd: NDArray[np.bool_]  # (n,)


def resized_size(size: Size, short_edge: int, long_edge: int, rounding: Rounding) -> Size:
    """Size with the shorter side `short_edge`, or less where the longer would pass `long_edge`; at least 1 pixel.

    `half_up` is detectron2's `ResizeShortestEdge.get_output_shape`, `floor` torchvision's `GeneralizedRCNNTransform`,
    each with its own order of operations, so that floating-point rounding is theirs too.
    """
    height, width = size
    if rounding == "floor":
        scale = min(short_edge / min(size), long_edge / max(size))
        return max(1, int(height * scale)), max(1, int(width * scale))
    scale = short_edge / min(size)
    new_height, new_width = (short_edge, scale * width) if height < width else (scale * height, short_edge)
    if max(new_height, new_width) > long_edge:
        shrink = long_edge / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def fitted_size(size: Size, limit: Size) -> Size:
    """The largest size of the same shape, to the pixel, that is no larger than `limit`."""
    scale = min(limit[0] / size[0], limit[1] / size[1])
    return min(limit[0], max(1, round(size[0] * scale))), min(limit[1], max(1, round(size[1] * scale)))


def resize(pixels: NDArray[np.uint8], size: Size, resize_filter: Literal["antialias", "bilinear"]) -> Tensor:
    """Pixels (H, W, 3) at another size, as (3, h, w) uint8; `antialias` is PIL's bilinear filter to within 1."""
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # (1, 3, H, W), channels_last
    if pixels.shape[:2] == size:
        return image[0]
    if resize_filter == "antialias":
        return F.interpolate(image, size=size, mode="bilinear", antialias=True)[0]
    return F.interpolate(image.float(), size=size, mode="bilinear").round().to(torch.uint8)[0]


def load(dataset: CocoDataset, sample: Sample, config: DataConfig, augmenter: Augmenter | None = None) -> Prepared:
    """The image that `sample` describes, from its file.

    An augmentation that changes the image's size is fitted into the planned one. Raises ValueError naming a file that
    is missing, damaged, or of another size than its annotations say.
    """
    path = dataset.image_path(sample.index)
    pixels, annotated = decode(path, config.exif), tuple(dataset.sizes[sample.index].tolist())
    if pixels.shape[:2] != annotated:
        raise ValueError(size_mismatch(path, pixels.shape[:2], annotated, config.exif))
    rows = dataset.objects(sample.index)
    boxes, objects = _corners(dataset.boxes[rows]), np.arange(rows.start, rows.stop)
    size = sample.size
    if augmenter is not None:
        pixels, boxes, kept = augmenter(pixels, boxes, sample.key)
        objects = objects[kept]
        size = size if pixels.shape[:2] == annotated else fitted_size((pixels.shape[0], pixels.shape[1]), sample.size)
    image = resize(pixels, size, config.resize_filter)
    corners, valid = _to_image(boxes, (pixels.shape[0], pixels.shape[1]), size, sample.flip)
    objects = objects[valid]
    return Prepared(
        image=image.flip(-1) if sample.flip else image,
        original_size=(pixels.shape[0], pixels.shape[1]),
        boxes=corners[valid],
        labels=dataset.labels[objects],
        crowd=dataset.crowd[objects],
    )


def without_objects(pixels: NDArray[np.uint8], config: DataConfig) -> Prepared:
    """An image to detect objects in, resized as in evaluation."""
    original = pixels.shape[0], pixels.shape[1]
    size = resized_size(original, config.test_short_edge, config.long_edge, config.resize_rounding)
    nothing = np.zeros(0, dtype=np.int64)
    image = resize(pixels, size, config.resize_filter)
    return Prepared(image, original, np.zeros((0, 4), dtype=np.float32), nothing, nothing.astype(np.bool_))


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x, y, width, height) to (x1, y1, x2, y2)."""
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def _to_image(
    boxes: NDArray[np.float64], old: Size, new: Size, flip: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes scaled by each axis's own exact ratio, flipped, then clipped; and which still have an area as float32."""
    height, width = new
    scaled = boxes * np.array([width / old[1], height / old[0]] * 2)
    if flip:
        scaled[:, [0, 2]] = width - scaled[:, [2, 0]]
    clipped = np.clip(scaled, 0, np.array([width, height] * 2)).astype(np.float32)
    return clipped, np.all(clipped[:, 2:] - clipped[:, :2] > _LEAST_SIDE, axis=1)
