"""Apply albumentations to an image with its boxes and masks; a key determines every random draw.

H, W before and h, w after the augmentation; n objects of an image, m of them kept.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.vision.augment_file import FILE, kept_boxes, load_transforms

JITTER = "data.color_jitter"
Mask = NDArray[Any]  # (H, W) of bools, or of indices in a type that OpenCV has: uint8, int16, …


@dataclass(frozen=True)
class Targets:
    """Targets that are augmented together, by name; None for missing ones."""

    image: NDArray[np.uint8]
    """(H, W, 3)."""
    boxes: NDArray[np.float64] | None = None
    """(n, 4) as x1, y1, x2, y2 in pixels."""
    masks: tuple[Mask, ...] | None = None
    """Masks of objects or of the whole image, (H, W) each."""


def build_augmenter(file: str | None, color_jitter: float) -> Augmenter | None:
    """Load the augmentation in the file data.augment, then data.color_jitter; None if neither is
    set.

    The file's own bbox_params leave out boxes too. Raises UserError if albumentations cannot load
    data.augment, and for a transform that makes images of another kind, by its name.
    """
    if file is None and color_jitter == 0:
        return None
    # otherwise it looks for newer versions online
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # loader workers already run in parallel
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    transforms: dict[str, Any] = {}
    limits: dict[str, float] = {}
    if file is not None:
        transforms[FILE] = load_transforms(Path(file))
        limits = kept_boxes(transforms[FILE])
    if color_jitter > 0:
        transforms[JITTER] = _color_jitter(color_jitter)
    return Augmenter(list(transforms.values()), settings=tuple(transforms), limits=limits)


def _color_jitter(strength: float) -> Any:
    import albumentations

    spread = (1 - strength, 1 + strength)
    hue = (-strength / 10, strength / 10)
    return albumentations.ColorJitter(
        brightness=spread, contrast=spread, saturation=spread, hue=hue, p=1
    )


class Augmenter:
    """A sequence of albumentations transforms, and the settings that name them.

    `limits` are albumentations' min_area, min_visibility … of boxes.
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        settings: Sequence[str] = (FILE,),
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.settings = tuple(settings)
        self.image_pipeline = _compose(transforms, None)
        self.box_pipeline = _compose(transforms, limits or {})

    def __call__(self, targets: Targets, key: int) -> tuple[Targets, NDArray[np.int64]]:
        """Augment the targets; the same key gives the same result, whatever was drawn before.

        Returns them, and for the m boxes that are left their places among the n (m,). Boxes are
        clipped to the image; those without an area are left out. All masks are returned, in order.
        Raises UserError if the transforms of data.augment fail, or make anything but uint8 images
        of three channels and finite boxes.
        """
        named: dict[str, Any] = {"image": targets.image}
        if targets.boxes is not None:
            named |= {"bboxes": targets.boxes, "origins": np.arange(len(targets.boxes))}
        if targets.masks:
            named["masks"] = [_without_bools(mask) for mask in targets.masks]
        result = self._run(named, key)
        image = self._checked_image(result["image"])
        augmented = replace(targets, image=image)
        if targets.masks:
            self._check_masks(result["masks"], image)
            augmented = replace(augmented, masks=_restored_masks(result["masks"], targets.masks))
        if targets.boxes is None:
            return augmented, np.zeros(0, dtype=np.int64)
        boxes = np.asarray(result["bboxes"], dtype=np.float64).reshape(-1, 4)
        kept = np.asarray(result["origins"], dtype=np.int64).reshape(-1)
        if not np.isfinite(boxes).all():
            raise UserError(
                f"{self._named()} must return boxes of finite numbers, got"
                f" {boxes[~np.isfinite(boxes).all(axis=1)][0].tolist()}; leave out the transform"
                " that makes them"
            )
        return replace(augmented, boxes=boxes), kept

    def _run(self, named: dict[str, Any], key: int) -> dict[str, Any]:
        pipeline = self.box_pipeline if "bboxes" in named else self.image_pipeline
        pipeline.set_random_seed(key % 2**32)
        try:
            result: dict[str, Any] = pipeline(**named)
        except MemoryError:
            raise
        except Exception as error:  # the user's transforms may raise anything
            if FILE not in self.settings:
                raise  # our own cannot fail
            height, width = named["image"].shape[:2]
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self._named()} must hold transforms that take any of the images, but for one of"
                f" {width}x{height} pixels (width x height) albumentations says: {reason}"
            ) from error
        return result

    def _checked_image(self, image: Any) -> NDArray[np.uint8]:
        shape = tuple(getattr(image, "shape", ()))
        dtype = getattr(image, "dtype", type(image).__name__)
        if not isinstance(image, np.ndarray) or dtype != np.uint8 or shape[2:] != (3,):
            raise UserError(
                f"{self._named()} must return uint8 images of three channels, (height, width, 3),"
                f" got {dtype} {shape}; leave out transforms such as Normalize, ToFloat and"
                " ToTensorV2"
            )
        return np.ascontiguousarray(image)

    def _check_masks(self, masks: Sequence[Any], image: NDArray[np.uint8]) -> None:
        shapes = [tuple(getattr(mask, "shape", ())) for mask in masks]
        wrong = [shape for shape in shapes if shape != image.shape[:2]]
        if wrong:
            raise UserError(
                f"{self._named()} must return masks of the image's size, {image.shape[:2]}, got"
                f" {wrong[0]}; leave out the transform that makes them"
            )

    def _named(self) -> str:
        """Name the settings in use, for errors."""
        return " and ".join(self.settings)


def _compose(transforms: Sequence[Any], limits: Mapping[str, float] | None) -> Any:
    """Make a pipeline of copies of the transforms, since each belongs to one pipeline; with boxes
    if limits are given.
    """
    import albumentations

    box_params = None
    if limits is not None:
        box_params = albumentations.BboxParams(
            format="pascal_voc",
            label_fields=["origins"],
            clip=True,
            filter_invalid_bboxes=True,
            **limits,
        )
    with warnings.catch_warnings():
        # transforms of colours alone are fine
        warnings.filterwarnings("ignore", "Got processor for bboxes, but no transform")
        return albumentations.Compose(copy.deepcopy(list(transforms)), bbox_params=box_params)


def _without_bools(mask: Mask) -> Mask:
    """Convert a mask to a type that OpenCV supports."""
    return mask.view(np.uint8) if mask.dtype == np.bool_ else mask


def _restored_masks(augmented: Sequence[Mask], given: Sequence[Mask]) -> tuple[Mask, ...]:
    """Convert the masks back to their original types."""
    pairs = zip(augmented, given, strict=True)
    return tuple(np.asarray(after).astype(before.dtype) for after, before in pairs)
