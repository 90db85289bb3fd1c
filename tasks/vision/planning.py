"""Draw images, place them and group them into batches by the settings, before any is read.

N images, B of a batch; sizes are (height, width) in pixels. Every random choice follows from the
seed, the step and the image's position in the batch, so restarts and the number of workers and
ranks change nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.engine.randomness import Stream, mix_keys, uniform
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.vision.padding import Size, largest_size, padded_side, round_up
from tasks.vision.placement import ImagePlan, Placement, jittered, resized_size
from tasks.vision.settings import ImageDataConfig

DRAWS = 5
"""Count of random numbers for a placement in training: the edge, the flip, and the scale, top and
left of the jitter."""


@dataclass(frozen=True)
class BatchPlan:
    """The plan of a batch."""

    images: tuple[ImagePlan, ...]  # (B,)
    padded_size: Size  # H and W

    def part(self, start: int, stop: int) -> Self:
        """Return the plan of some of the images, with the padding of all."""
        return replace(self, images=self.images[start:stop])

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class DrawnImage:
    """An image of a training batch."""

    index: int  # of the N images
    key: int  # names its random draws in this step
    draws: list[float]  # in [0, 1)


@dataclass(frozen=True)
class DrawnBatches:
    """The images of every step's global batch: position p has the same image with the same draws
    whatever the ranks and micro-batches. Portrait and landscape are not mixed if possible.
    """

    sizes: NDArray[np.int32]  # (N, 2)
    batch_size: int
    seed: int
    repeats: NDArray[np.float64] | None = None
    """(N,) how often each image occurs in an epoch."""
    draws: int = DRAWS
    """Count of numbers that are drawn for each image."""

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return batches_per_epoch(len(self.sizes), self.batch_size, self.repeats)

    def __call__(self, step: int) -> list[DrawnImage]:
        """Choose the images (B,) of a step, over all ranks and micro-batches."""
        groups = self._portrait
        indices = global_batch(step, groups, self.batch_size, self.seed, self.repeats)
        keys = mix_keys(self.seed, step, np.arange(self.batch_size))  # (B,)
        draws = draw_numbers(keys, self.draws)
        columns = zip(indices.tolist(), keys.tolist(), draws, strict=True)
        return [DrawnImage(*image) for image in columns]

    @cached_property
    def _portrait(self) -> NDArray[np.int64]:
        return (self.sizes[:, 0] > self.sizes[:, 1]).astype(np.int64)  # (N,)


def draw_numbers(keys: NDArray[np.int64], count: int) -> list[list[float]]:
    """Draw numbers (B, count) in [0, 1) to place images, by their keys (B,)."""
    draws: list[list[float]]
    draws = uniform(torch.from_numpy(keys), Stream.PLACEMENT, count).tolist()
    return draws


def draw_placement(original: Size, draws: Sequence[float], config: ImageDataConfig) -> Placement:
    """Place an image in training by DRAWS numbers, each in [0, 1)."""
    edges = config.short_edge
    size = _resized(original, edges[int(draws[0] * len(edges))], config)
    flip = draws[1] < config.flip
    if config.scale_jitter is None:
        return Placement(size, flip=flip)
    low, high = config.scale_jitter
    side = config.scale_jitter_side
    target = size if side is None else (side, side)
    factor = low + draws[2] * (high - low)
    size, crop = jittered(original, target, factor, (draws[3], draws[4]))
    return Placement(size, crop, flip)


def evaluation_placement(original: Size, config: ImageDataConfig) -> Placement:
    """Place an image in evaluation and prediction."""
    return Placement(_resized(original, config.test_short_edge, config))


def scaled_placement(original: Size, config: ImageDataConfig, scale: float) -> Placement:
    """Place an image in evaluation at a factor of the test size."""
    if scale == 1:
        return evaluation_placement(original, config)
    edges = (round(scale * config.test_short_edge), round(scale * config.long_edge))
    scaled = replace(config, short_edge=edges[:1], val_short_edge=None, long_edge=edges[1])
    return evaluation_placement(original, scaled)


def training_padding(sizes: Iterable[Size], config: ImageDataConfig) -> Size:
    """Return the padded size of a training batch: one of few, so that little is compiled and
    allocated.
    """
    height, width = largest_size(sizes)
    divisor = config.size_divisor
    longest = config.long_edge
    return padded_side(height, divisor, longest), padded_side(width, divisor, longest)


def evaluation_padding(sizes: Iterable[Size], config: ImageDataConfig) -> Size:
    """Return the padded size of a batch in evaluation: the next multiples of data.size_divisor."""
    height, width = largest_size(sizes)
    return round_up(height, config.size_divisor), round_up(width, config.size_divisor)


def same_size_batches(
    placements: Sequence[Placement], config: ImageDataConfig, batch_size: int
) -> Iterator[tuple[Size, list[int]]]:
    """Group the N placements into batches of at most `batch_size` images of one padded size, as
    that size and positions; the largest size comes first.

    So an image's padding, and with it the network's output, does not depend on its neighbours, the
    batch size or the ranks.
    """
    by_size: dict[Size, list[int]] = {}
    for position, placement in enumerate(placements):
        padded_size = evaluation_padding([placement.final_size], config)
        by_size.setdefault(padded_size, []).append(position)
    for padded_size in sorted(by_size, key=lambda size: (-size[0] * size[1], size)):
        positions = by_size[padded_size]
        for start in range(0, len(positions), batch_size):
            yield padded_size, positions[start : start + batch_size]


def _resized(original: Size, short_edge: int, config: ImageDataConfig) -> Size:
    return resized_size(original, short_edge, config.long_edge, config.resize_rounding)
