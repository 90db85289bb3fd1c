"""One image on its way into a batch: decoded, augmented, resized by the recipe's rule, flipped, its
boxes with it.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an
image.
"""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import decode_mask
from tasks.datasets.coco.sizes import size_mismatch
from tasks.detection.config import DataConfig
from tasks.images import decode
from tasks.labels import FileId
from tasks.vision.augment import Augmenter
from tasks.vision.copy_paste import Prepared, paste_objects
from tasks.vision.padding import Size
from tasks.vision.placement import Sample, Window, fitted_size, resize, resized_size

_UNMOVED = 0.01  # pixels that an augmentation of colours, by rounding, moves a box at most
_LEAST_SIDE = 1e-5  # pixels; boxes that are thinner after clipping are dropped (detectron2 `filter_empty_instances`)


def load(
    dataset: CocoDataset,
    sample: Sample,
    config: DataConfig,
    augmenter: Augmenter | None = None,
    segmentations: Sequence[FileId] | None = None,
) -> Prepared:
    """The image that `sample` describes, from its file, with the objects of another where it says
    so.

    `segmentations` (M,) are the data set's, for what is pasted. Raises UserError naming a file
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
        raise UserError(size_mismatch(path, pixels.shape[:2], annotated, config.exif))
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
