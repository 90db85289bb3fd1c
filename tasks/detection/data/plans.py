"""Plan the images of a batch and their operations, before any is read.

N training images, M objects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.usable import usable_images
from tasks.datasets.repeat_factors import repeat_factors
from tasks.detection.config import DataConfig
from tasks.engine.randomness import Stream, mix_key, mix_keys
from tasks.vision.copy_paste import MOST_PASTED
from tasks.vision.padding import padded_objects
from tasks.vision.placement import ImagePlan
from tasks.vision.planning import (
    DRAWS,
    BatchPlan,
    DrawnBatches,
    DrawnImage,
    draw_numbers,
    draw_placement,
    evaluation_placement,
    same_size_batches,
    training_padding,
)

_DRAWS = DRAWS + 2  # the placement, whether to paste, and which image


@dataclass(frozen=True)
class Plan(BatchPlan):
    """The plan of a batch of images with objects."""

    max_objects: int  # G


class TrainPlans:
    """The global batch of every step, of one padded size. Images without objects, not counting
    crowds, are left out unless data.keep_empty.
    """

    def __init__(self, dataset: CocoDataset, config: DataConfig, seed: int) -> None:
        self.dataset = dataset
        self.config = config
        self.usable, self.warnings = usable_images(dataset, config.keep_empty)  # (N,) indices
        repeats: NDArray[np.float64] | None = None  # (N,)
        if config.repeat_threshold is not None:
            repeats = repeat_factors(dataset, self.usable, config.repeat_threshold)
        sizes = dataset.sizes[self.usable]
        self.drawn = DrawnBatches(sizes, config.batch_size, seed, repeats, _DRAWS)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return self.drawn.epoch_length

    def __call__(self, step: int) -> Plan:
        """Plan the batch of a step, over all ranks and micro-batches."""
        images = tuple(map(self._image, self.drawn(step)))
        sizes = [image.placement.final_size for image in images]
        most = max(self._most_objects(image) for image in images)
        return Plan(images, training_padding(sizes, self.config), padded_objects(most))

    def _image(self, drawn: DrawnImage) -> ImagePlan:
        """Turn draws into the plan of one image, and of one to paste from."""
        *placing, chance, choice = drawn.draws
        plan = self._placed(int(self.usable[drawn.index]), drawn.key, placing)
        if chance >= self.config.copy_paste:
            return plan
        other = int(self.usable[int(choice * len(self.usable))])
        other_key = mix_key(drawn.key, Stream.PLACEMENT, 0)
        (other_draws,) = draw_numbers(np.array([other_key]), _DRAWS)
        return replace(plan, paste=self._placed(other, other_key, other_draws))

    def _placed(self, index: int, key: int, draws: Sequence[float]) -> ImagePlan:
        height, width = self.dataset.sizes[index].tolist()
        return ImagePlan(index, key, draw_placement((height, width), draws, self.config))

    def _most_objects(self, image: ImagePlan) -> int:
        """Count the objects that the image may end up with."""
        own = int(self.dataset.first[image.index + 1] - self.dataset.first[image.index])
        if image.paste is None:
            return own
        return own + min(MOST_PASTED, self._most_objects(image.paste))


def val_plans(dataset: CocoDataset, config: DataConfig, batch_size: int) -> Iterator[Plan]:
    """Plan every image once, in batches of one padded size, the largest first."""
    sizes = [(height, width) for height, width in dataset.sizes.tolist()]
    placements = [evaluation_placement(size, config) for size in sizes]
    keys = mix_keys(0, 0, dataset.image_ids).tolist()
    counts = np.diff(dataset.first)  # (N,) objects, crowds included
    for padded_size, indices in same_size_batches(placements, config, batch_size):
        images = [ImagePlan(index, keys[index], placements[index]) for index in indices]
        most = int(counts[indices].max())
        yield Plan(tuple(images), padded_size, padded_objects(most))
