"""Prepare an image and its labels for a batch: augment, place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tasks.images import Labels, Pixels
from tasks.vision.augment import Augmenter, Targets
from tasks.vision.placement import ImagePlan, Placement
from tasks.vision.semantic.crops import place_with_several_classes
from tasks.vision.settings_semantic import SemanticDataConfig


@dataclass(frozen=True)
class Prepared:
    """An image with its labels, as in a batch."""

    image: Tensor  # (C, h, w) uint8
    labels: Labels  # (h, w)


def prepare(
    pixels: Pixels,
    labels: Labels,
    plan: ImagePlan,
    config: SemanticDataConfig,
    augmenter: Augmenter | None,
) -> Prepared:
    """Augment an image and its labels, and place them as planned, or so that no class fills the
    crop.

    An augmentation that changes the image's size is fitted into the planned size.
    """
    placement = plan.placement
    if augmenter is not None:
        size = pixels.shape[:2]
        pixels, labels = _augmented(augmenter, pixels, labels, plan.key)
        if pixels.shape[:2] != size:
            placement = placement.fitted((pixels.shape[0], pixels.shape[1]))
    limit = config.crop_largest_class
    if limit < 1 and placement.crop is not None:
        placement = place_with_several_classes(plan, labels, limit)
    return place(pixels, labels, placement, config)


def place(
    pixels: Pixels, labels: Labels, placement: Placement, config: SemanticDataConfig
) -> Prepared:
    """Resize, crop and flip an image and its labels."""
    image = placement.of_image(pixels, config.resize_filter)
    return Prepared(image, placement.of_mask(labels))


def _augmented(
    augmenter: Augmenter, pixels: Pixels, labels: Labels, key: int
) -> tuple[Pixels, Labels]:
    """Augment an image and its labels; pixels from outside the image are ignored.

    albumentations fills masks with 0, so IGNORED is 0 meanwhile.
    """
    targets, _ = augmenter(Targets(pixels, masks=(labels + np.uint8(1),)), key)
    assert targets.masks is not None
    moved: Labels = targets.masks[0] - np.uint8(1)
    return targets.image, moved
