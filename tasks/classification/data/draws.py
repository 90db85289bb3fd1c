"""Random draws for a training batch, before any pixel is read.

Everything is a function of (seed, step, image, repetition).  B images, R repetitions of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.classification.config import AugmentConfig
from tasks.engine.randomness import Stream, mix_key, mix_keys, uniform
from tasks.engine.sampling import repeated_batch

Indices = NDArray[np.int64]
Box = tuple[int, int, int, int]
NO_BOX: Box = (0, 0, 0, 0)
LIGHTING_VALUES = np.array((0.2175, 0.0188, 0.0045))
"""Standard deviations of ImageNet's pixels along their principal colours, white being 1, and below
the colours by column (Krizhevsky et al. 2012; the numbers are fb.resnet.torch's)."""
LIGHTING_COLOURS = np.array(
    (
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    )
)
_TRIES = 10
_REPETITION = 1 << 40  # separates the keys of an image's repetitions


@dataclass(frozen=True)
class Mix:
    """How all images of a step are mixed with their partners."""

    blend: float = 1.0
    """Share of each image that is its own."""
    pasted: Box = NO_BOX
    """Rectangle that is its partner's."""


@dataclass(frozen=True)
class Plan:
    """The images of a batch."""

    places: Indices
    """(B,) in the data set."""
    keys: Indices
    """(B,): every random choice of an image follows from its key."""
    mix: Mix

    def part(self, start: int, stop: int) -> Plan:
        """Return the plan of some of the images."""
        return Plan(self.places[start:stop], self.keys[start:stop], self.mix)


def draw_plan(step: int, images: int, batch_size: int, seed: int, config: AugmentConfig) -> Plan:
    """Plan a step's global batch, of a data set with `images` images."""
    groups = np.zeros(images, dtype=np.int64)
    places, repetition = repeated_batch(step, groups, batch_size, seed, config.repeats)
    keys = mix_keys(seed, step, places + _REPETITION * repetition)
    return Plan(places, keys, draw_mix(mix_key(seed, step, Stream.MIX), config))


def draw_mix(key: int, config: AugmentConfig) -> Mix:
    """Draw mixup's or CutMix's numbers of a step; one of the two at random if both are set.

    CutMix's rectangle is torchvision's: its centre lies anywhere, and it is cut at the border.
    """
    if not config.mixes:
        return Mix()
    draw = np.random.Generator(np.random.Philox(key=key))
    with_mixup = config.mixup > 0 and (config.cutmix == 0 or draw.random() < 0.5)
    alpha = config.mixup if with_mixup else config.cutmix
    own = float(draw.beta(alpha, alpha))
    if with_mixup:
        return Mix(blend=own)
    half = int(0.5 * math.sqrt(1 - own) * config.size)
    x = int(draw.integers(config.size))
    y = int(draw.integers(config.size))
    left, right = max(x - half, 0), min(x + half, config.size)
    top, bottom = max(y - half, 0), min(y + half, config.size)
    return Mix(pasted=(left, top, right, bottom))


def draw_erased(keys: Indices, config: AugmentConfig) -> Tensor:
    """Draw a rectangle (B, 4) for each image, for random erasing or cutout."""
    if config.cutout:
        return _cutouts(keys, config)
    if not config.erase:
        return torch.zeros((len(keys), 4), dtype=torch.int64)
    draws = [
        np.random.Generator(np.random.Philox(key=mix_key(key, Stream.ERASE, 0)))
        for key in keys.tolist()
    ]
    return torch.tensor([_erasing(draw, config) for draw in draws], dtype=torch.int64)


def draw_tints(keys: Indices, config: AugmentConfig) -> Tensor:
    """Draw a colour (B, 3) for each image, to be added to its pixels: AlexNet's lighting."""
    tints = torch.zeros((len(keys), 3))
    if config.lighting == 0:
        return tints
    for row, key in enumerate(keys.tolist()):
        draw = np.random.Generator(np.random.Philox(key=mix_key(key, Stream.COLOUR, 0)))
        strengths = draw.normal(0.0, config.lighting, 3)
        tints[row] = torch.from_numpy(LIGHTING_COLOURS @ (strengths * LIGHTING_VALUES))
    return tints


def _cutouts(keys: Indices, config: AugmentConfig) -> Tensor:
    """Draw squares with centres anywhere in the images (DeVries and Taylor 2017)."""
    centres = uniform(torch.from_numpy(keys), Stream.ERASE, 2) * config.size  # (B, 2)
    first = centres.long() - config.cutout // 2
    corners = torch.cat((first, first + config.cutout), dim=1)
    return corners.clamp(0, config.size)


def _erasing(draw: np.random.Generator, config: AugmentConfig) -> Box:
    """Draw torchvision's RandomErasing: 2 to 33 % of the area, with a ratio from 0.3 to 3.3."""
    if draw.random() >= config.erase:
        return NO_BOX
    size = config.size
    for _ in range(_TRIES):
        area = size * size * draw.uniform(0.02, 0.33)
        ratio = math.exp(draw.uniform(math.log(0.3), math.log(3.3)))
        height = round(math.sqrt(area * ratio))
        width = round(math.sqrt(area / ratio))
        if height < size and width < size:
            top = int(draw.integers(size - height + 1))
            left = int(draw.integers(size - width + 1))
            return left, top, left + width, top + height
    return NO_BOX
