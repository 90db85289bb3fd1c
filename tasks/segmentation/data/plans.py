"""Which images make a batch and what is done with each, before any is read.

N images.  Every random choice follows from the seed, the step and the image's position in the
batch, so that neither restarts nor the number of workers and ranks change anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.engine.randomness import Stream, mix_keys, uniform
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.segmentation.config import DataConfig
from tasks.vision.padding import Size, round_up
from tasks.vision.placement import Crop, ImagePlan, Placement
from tasks.vision.planning import (
    DRAWS,
    draw_placement,
    evaluation_padding,
    evaluation_placement,
    same_size_batches,
    training_padding,
)

PLACES = 10
"""Places that are tried for a crop that no class fills."""


@dataclass(frozen=True)
class Plan:
    """What makes a batch."""

    images: tuple[ImagePlan, ...]  # (B,)
    padded_size: Size  # H and W

    def part(self, start: int, stop: int) -> Plan:
        """The plan of some of the images, with the padding of all."""
        return Plan(self.images[start:stop], self.padded_size)

    def __len__(self) -> int:
        return len(self.images)


class TrainPlans:
    """The global batch of every step: position p of it is the same image with the same draws
    whatever the ranks and micro-batches, and all of a step share one padded size.
    """

    def __init__(self, dataset: SemanticDataset, config: DataConfig, seed: int) -> None:
        self.dataset = dataset
        self.config = config
        self.seed = seed
        sizes = dataset.sizes
        self._portrait = (sizes[:, 0] > sizes[:, 1]).astype(np.int64)  # (N,)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return batches_per_epoch(len(self.dataset), self.config.batch_size)

    def __call__(self, step: int) -> Plan:
        """Plan the batch of a step, over all ranks and micro-batches."""
        batch_size = self.config.batch_size
        indices = global_batch(step, self._portrait, batch_size, self.seed).tolist()
        keys = mix_keys(self.seed, step, np.arange(batch_size))  # (B,)
        draws = uniform(torch.from_numpy(keys), Stream.PLACEMENT, DRAWS).tolist()
        images = tuple(map(self._image, indices, keys.tolist(), draws))
        return Plan(images, self._padded_size(images))

    def _image(self, index: int, key: int, draws: Sequence[float]) -> ImagePlan:
        height, width = self.dataset.sizes[index].tolist()
        return ImagePlan(index, key, self._placement((height, width), draws))

    def _placement(self, original: Size, draws: Sequence[float]) -> Placement:
        """The placement by DRAWS numbers in [0, 1): with data.crop, the image is scaled whole, and
        the crop lies anywhere in it.
        """
        if self.config.crop is None:
            return draw_placement(original, draws, self.config)
        placed = draw_placement(original, draws, replace(self.config, scale_jitter=None))
        low, high = self.config.scale_jitter or (1.0, 1.0)
        factor = low + draws[2] * (high - low)
        height, width = (max(1, round(side * factor)) for side in placed.size)
        crop = crop_at((height, width), self.config.crop, draws[3], draws[4])
        return Placement((height, width), crop, placed.flip)

    def _padded_size(self, images: Sequence[ImagePlan]) -> Size:
        if self.config.crop is not None:
            side = round_up(self.config.crop, self.config.size_divisor)
            return side, side
        return training_padding((image.placement.final_size for image in images), self.config)


def other_places(plan: ImagePlan) -> Iterator[Placement]:
    """The plan's placement, and the same with its crop at other places, PLACES in all."""
    crop = plan.placement.crop
    assert crop is not None
    yield plan.placement
    key = torch.tensor([plan.key])
    draws = uniform(key, Stream.CROP, 2 * (PLACES - 1)).reshape(-1, 2).tolist()
    for down, right in draws:
        place = crop_at(plan.placement.size, crop.size[0], down, right)
        yield replace(plan.placement, crop=place)


def crop_at(size: Size, side: int, down: float, right: float) -> Crop:
    """A square in an image of a size, by two draws in [0, 1); it reaches past a smaller image."""
    top = int(max(0, size[0] - side + 1) * down)
    left = int(max(0, size[1] - side + 1) * right)
    return Crop(top, left, (side, side))


@dataclass(frozen=True)
class ScoredPlan:
    """What makes a batch that is scored."""

    indices: tuple[int, ...]  # (B,)
    placements: tuple[tuple[Placement, ...], ...]  # of each scale, (B,)
    padded_sizes: tuple[Size, ...]  # of each scale

    def part(self, start: int, stop: int) -> ScoredPlan:
        """The plan of some of the images, with the padding of all."""
        kept = tuple(placements[start:stop] for placements in self.placements)
        return ScoredPlan(self.indices[start:stop], kept, self.padded_sizes)

    def __len__(self) -> int:
        return len(self.indices)


def scored_plans(
    dataset: SemanticDataset, config: DataConfig, scales: Sequence[float], batch_size: int
) -> Iterator[ScoredPlan]:
    """Plan every image once, in batches of one padded size at the first scale, largest first."""
    sizes = [(height, width) for height, width in dataset.sizes.tolist()]
    by_scale = [[scaled_placement(size, config, scale) for size in sizes] for scale in scales]
    for padded_size, indices in same_size_batches(by_scale[0], config, batch_size):
        chosen = [tuple(placements[index] for index in indices) for placements in by_scale]
        further = [
            evaluation_padding((one.final_size for one in placements), config)
            for placements in chosen[1:]
        ]
        yield ScoredPlan(tuple(indices), tuple(chosen), (padded_size, *further))


def scaled_placement(original: Size, config: DataConfig, scale: float) -> Placement:
    """Placement in evaluation at a factor of the test size."""
    if scale == 1:
        return evaluation_placement(original, config)
    edges = (round(scale * config.test_short_edge), round(scale * config.long_edge))
    scaled = replace(config, short_edge=edges[:1], val_short_edge=None, long_edge=edges[1])
    return evaluation_placement(original, scaled)
