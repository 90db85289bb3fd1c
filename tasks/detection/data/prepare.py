"""Prepare one image and its boxes for a batch: decode, augment, place.

Sizes are (height, width); boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects of an
image; M objects in the data set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import decode_mask
from tasks.datasets.coco.sizes import size_error
from tasks.detection.config import DataConfig
from tasks.images import decode
from tasks.labels import FileId
from tasks.vision.augment import Augmenter, Targets
from tasks.vision.copy_paste import Mask, Prepared, paste_objects
from tasks.vision.padding import Size
from tasks.vision.placement import ImagePlan
from tasks.vision.planning import evaluation_placement

_UNMOVED = 0.01  # pixels; most that an augmentation of colours moves a box, by rounding


def load(
    dataset: CocoDataset,
    plan: ImagePlan,
    config: DataConfig,
    augmenter: Augmenter | None = None,
    segmentations: Sequence[FileId] | None = None,
) -> Prepared:
    """Load the planned image from its file, with pasted objects of another if planned.

    `segmentations` (M,) are the data set's, for pasted objects. Raises UserError naming a file that
    is missing, damaged, or of another size than its annotations say.
    """
    prepared = _load_one(dataset, plan, config, augmenter)
    if plan.paste is None:
        return prepared
    source = _load_one(dataset, plan.paste, config, augmenter, segmentations)
    return paste_objects(prepared, source, plan.key)


def _load_one(
    dataset: CocoDataset,
    plan: ImagePlan,
    config: DataConfig,
    augmenter: Augmenter | None,
    segmentations: Sequence[FileId] | None = None,
) -> Prepared:
    """Load the planned image without pasted objects; with masks if segmentations are given.

    There are no masks if an augmentation moved objects. An augmentation that changes the image's
    size is fitted into the planned size.
    """
    pixels = _read_pixels(dataset, plan.index, config)
    annotated = pixels.shape[:2]
    rows = dataset.objects(plan.index)
    objects = np.arange(rows.start, rows.stop)
    boxes = to_corners(dataset.boxes[rows])
    placement = plan.placement
    if augmenter is not None:
        pixels, moved, kept = _augmented(augmenter, pixels, boxes, plan.key)
        if pixels.shape[:2] != annotated:
            placement = placement.fitted(_size_of(pixels))
            segmentations = None
        elif _differ(boxes[kept], moved, _size_of(pixels)):
            segmentations = None
        boxes = moved
        objects = objects[kept]
    placed, valid = placement.of_boxes(boxes, _size_of(pixels))
    objects = objects[valid]
    masks = None
    if segmentations is not None:
        masks = PlacedMasks(dataset, segmentations, objects, plan)
    return Prepared(
        image=placement.of_image(pixels, config.resize_filter),
        original_size=_size_of(pixels),
        boxes=placed[valid],
        labels=dataset.labels[objects],
        crowd=dataset.crowd[objects],
        masks=masks,
    )


def without_objects(pixels: NDArray[np.uint8], config: DataConfig) -> Prepared:
    """Prepare an image (H, W, 3) to detect objects in, resized as in evaluation."""
    original = _size_of(pixels)
    return Prepared(
        image=evaluation_placement(original, config).of_image(pixels, config.resize_filter),
        original_size=original,
        boxes=np.zeros((0, 4), dtype=np.float32),
        labels=np.zeros(0, dtype=np.int64),
        crowd=np.zeros(0, dtype=np.bool_),
    )


@dataclass(frozen=True)
class PlacedMasks(Sequence[Mask | None]):
    """The masks of some of the planned image's objects. Each is decoded and placed on request, as a
    crowded image needs few of them; None for an object without mask.
    """

    dataset: CocoDataset
    segmentations: Sequence[FileId]  # (M,)
    objects: NDArray[np.int64]  # rows of the data set
    plan: ImagePlan

    def __len__(self) -> int:
        return len(self.objects)

    @overload
    def __getitem__(self, place: int) -> Mask | None: ...

    @overload
    def __getitem__(self, place: slice) -> list[Mask | None]: ...

    def __getitem__(self, place: int | slice) -> Mask | list[Mask | None] | None:
        if isinstance(place, slice):
            return [self[index] for index in range(len(self))[place]]
        row = int(self.objects[place])
        height, width = self.dataset.sizes[self.plan.index].tolist()
        image = self.dataset.original_ids[self.plan.index]
        name = f"object {place} of image {image!r} in {self.dataset.path}"
        mask = decode_mask(json.loads(str(self.segmentations[row])), height, width, name)
        return None if mask is None else self.plan.placement.of_mask(mask)


def _read_pixels(dataset: CocoDataset, index: int, config: DataConfig) -> NDArray[np.uint8]:
    """Decode an image (H, W, 3); UserError if its size differs from the annotation."""
    path = dataset.image_path(index)
    pixels = decode(path, config.exif)
    annotated = tuple(dataset.sizes[index].tolist())
    if pixels.shape[:2] != annotated:
        raise size_error(path, pixels.shape[:2], annotated, config.exif)
    return pixels


def _augmented(
    augmenter: Augmenter, pixels: NDArray[np.uint8], boxes: NDArray[np.float64], key: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
    """Augment an image; returns pixels, boxes (m, 4), and their places among the n boxes (m,)."""
    targets, kept = augmenter(Targets(pixels, boxes), key)
    assert targets.boxes is not None
    return targets.image, targets.boxes, kept


def _differ(before: NDArray[np.float64], after: NDArray[np.float64], size: Size) -> bool:
    """Whether an augmentation moved boxes, other than by clipping them to the image."""
    height, width = size
    clipped = np.clip(before, 0, [width, height] * 2)
    return not np.allclose(clipped, after, atol=_UNMOVED)


def _size_of(pixels: NDArray[np.uint8]) -> Size:
    return pixels.shape[0], pixels.shape[1]
