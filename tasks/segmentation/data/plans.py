"""Plan the images of a batch and their operations, before any is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.vision.padding import Size
from tasks.vision.placement import ImagePlan, Placement
from tasks.vision.planning import (
    BatchPlan,
    DrawnBatches,
    DrawnImage,
    evaluation_padding,
    same_size_batches,
    scaled_placement,
)
from tasks.vision.semantic.crops import cropped_padding, draw_cropped
from tasks.vision.settings_semantic import SemanticDataConfig


class TrainPlans:
    """The global batch of every step, of one padded size."""

    def __init__(self, dataset: SemanticDataset, config: SemanticDataConfig, seed: int) -> None:
        self.sizes = dataset.sizes
        self.config = config
        self.drawn = DrawnBatches(dataset.sizes, config.batch_size, seed)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return self.drawn.epoch_length

    def __call__(self, step: int) -> BatchPlan:
        """Plan the batch of a step, over all ranks and micro-batches."""
        images = tuple(map(self._image, self.drawn(step)))
        return BatchPlan(images, cropped_padding(images, self.config))

    def _image(self, drawn: DrawnImage) -> ImagePlan:
        height, width = self.sizes[drawn.index].tolist()
        placement = draw_cropped((height, width), drawn.draws, self.config)
        return ImagePlan(drawn.index, drawn.key, placement)


@dataclass(frozen=True)
class ScoredPlan:
    """The plan of a batch for scoring."""

    indices: tuple[int, ...]  # (B,)
    placements: tuple[tuple[Placement, ...], ...]  # of each scale, (B,)
    padded_sizes: tuple[Size, ...]  # of each scale

    def part(self, start: int, stop: int) -> ScoredPlan:
        """Return the plan of some of the images, with the padding of all."""
        kept = tuple(placements[start:stop] for placements in self.placements)
        return ScoredPlan(self.indices[start:stop], kept, self.padded_sizes)

    def __len__(self) -> int:
        return len(self.indices)


def scored_plans(
    dataset: SemanticDataset, config: SemanticDataConfig, scales: Sequence[float], batch_size: int
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
