"""Crop anywhere in a whole, scaled image. Sizes are (height, width) in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from tasks.engine.randomness import Stream, uniform
from tasks.images import Labels
from tasks.labels import IGNORED
from tasks.vision.padding import Size, round_up
from tasks.vision.placement import Crop, ImagePlan, Placement
from tasks.vision.planning import draw_placement, training_padding
from tasks.vision.settings_semantic import SemanticDataConfig

PLACES = 10
"""Number of places that are tried for a crop that no class fills."""


def draw_cropped(original: Size, draws: Sequence[float], config: SemanticDataConfig) -> Placement:
    """Place an image in training by DRAWS numbers in [0, 1): with data.crop, the whole image is
    scaled, and the crop lies anywhere in it.
    """
    if config.crop is None:
        return draw_placement(original, draws, config)
    placed = draw_placement(original, draws, replace(config, scale_jitter=None))
    low, high = config.scale_jitter or (1.0, 1.0)
    factor = low + draws[2] * (high - low)
    height, width = (max(1, round(side * factor)) for side in placed.size)
    crop = crop_at((height, width), config.crop, draws[3], draws[4])
    return Placement((height, width), crop, placed.flip)


def cropped_padding(images: Sequence[ImagePlan], config: SemanticDataConfig) -> Size:
    """Return the padded size of a training batch: the crop's, or the usual one without crops."""
    if config.crop is not None:
        side = round_up(config.crop, config.size_divisor)
        return side, side
    return training_padding((image.placement.final_size for image in images), config)


def crop_at(size: Size, side: int, down: float, right: float) -> Crop:
    """Place a square in an image of a size, by two draws in [0, 1); it reaches past a smaller
    image.
    """
    top = int(max(0, size[0] - side + 1) * down)
    left = int(max(0, size[1] - side + 1) * right)
    return Crop(top, left, (side, side))


def place_with_several_classes(plan: ImagePlan, labels: Labels, limit: float) -> Placement:
    """Return the first place whose crop no class fills, otherwise the last."""
    placement = plan.placement
    for placement in other_places(plan):
        counts = np.bincount(placement.of_mask(labels).ravel(), minlength=IGNORED + 1)[:IGNORED]
        if counts.max() < limit * counts.sum():
            break
    return placement


def other_places(plan: ImagePlan) -> Iterator[Placement]:
    """Yield the plan's placement, and the same with its crop at other places, PLACES in all."""
    crop = plan.placement.crop
    assert crop is not None
    yield plan.placement
    key = torch.tensor([plan.key])
    draws = uniform(key, Stream.CROP, 2 * (PLACES - 1)).reshape(-1, 2).tolist()
    for down, right in draws:
        place = crop_at(plan.placement.size, crop.size[0], down, right)
        yield replace(plan.placement, crop=place)
