"""Which images make a batch and what is done with each, before any is read.

N images to train on, M objects.  Every random choice follows from the seed, the step and the
image's position in the batch, so that neither restarts nor the number of workers and ranks change
anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.repeat_factors import repeat_factors
from tasks.detection.config import DataConfig
from tasks.engine.randomness import Stream, mix_key, mix_keys, uniform
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.vision.padding import Size, padded_objects
from tasks.vision.placement import ImagePlan
from tasks.vision.planning import (
    DRAWS,
    draw_placement,
    evaluation_placement,
    same_size_batches,
    training_padding,
)


@dataclass(frozen=True)
class Plan:
    """What makes a batch."""

    images: tuple[ImagePlan, ...]  # (B,)
    padded_size: Size  # H and W
    max_objects: int  # G

    def part(self, start: int, stop: int) -> "Plan":
        """The plan of some of the images, with the padding of all."""
        return Plan(self.images[start:stop], self.padded_size, self.max_objects)

    def __len__(self) -> int:
        return len(self.images)


class TrainPlans:
    """The global batch of every step.

    Position p of it is the same image with the same draws whatever the ranks and micro-batches, and
    all of a step share one padded size. Images without objects, crowds apart, are left out unless
    data.keep_empty.
    """

    def __init__(self, dataset: CocoDataset, config: DataConfig, seed: int) -> None:
        self.dataset = dataset
        self.config = config
        self.seed = seed
        self.usable, self.warnings = _usable_images(dataset, config.keep_empty)  # (N,) indices
        self.repeats: NDArray[np.float64] | None = None  # (N,)
        if config.repeat_threshold is not None:
            self.repeats = repeat_factors(dataset, self.usable, config.repeat_threshold)
        sizes = dataset.sizes[self.usable]
        self._portrait = (sizes[:, 0] > sizes[:, 1]).astype(np.int64)  # (N,)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return batches_per_epoch(len(self.usable), self.config.batch_size, self.repeats)

    def __call__(self, step: int) -> Plan:
        """Plan the batch of a step, over all ranks and micro-batches."""
        batch_size = self.config.batch_size
        drawn = global_batch(step, self._portrait, batch_size, self.seed, self.repeats)
        indices = self.usable[drawn].tolist()
        keys = mix_keys(self.seed, step, np.arange(batch_size))  # (B,)
        draws = _draws(keys)  # (B, 7)
        images = tuple(map(self._image, indices, keys.tolist(), draws))
        sizes = [image.placement.final_size for image in images]
        most = max(self._most_objects(image) for image in images)
        return Plan(images, training_padding(sizes, self.config), padded_objects(most))

    def _image(self, index: int, key: int, draws: Sequence[float]) -> ImagePlan:
        """What the draws, each in [0, 1), choose for one image, and for one to paste from."""
        *placing, chance, choice = draws
        plan = self._placed(index, key, placing)
        if chance >= self.config.copy_paste:
            return plan
        other = int(self.usable[int(choice * len(self.usable))])
        other_key = mix_key(key, Stream.PLACEMENT, 0)
        (other_draws,) = _draws(np.array([other_key]))
        return replace(plan, paste=self._placed(other, other_key, other_draws))

    def _placed(self, index: int, key: int, draws: Sequence[float]) -> ImagePlan:
        height, width = self.dataset.sizes[index].tolist()
        return ImagePlan(index, key, draw_placement((height, width), draws, self.config))

    def _most_objects(self, image: ImagePlan) -> int:
        """Objects that the image may end up with."""
        own = int(self.dataset.first[image.index + 1] - self.dataset.first[image.index])
        return own + (self._most_objects(image.paste) if image.paste is not None else 0)


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


def _draws(keys: NDArray[np.int64]) -> list[list[float]]:
    """Numbers (B, 7) in [0, 1): of the placement, whether to paste, and what image."""
    draws: list[list[float]]
    draws = uniform(torch.from_numpy(keys), Stream.PLACEMENT, DRAWS + 2).tolist()
    return draws


def _usable_images(
    dataset: CocoDataset, keep_empty: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Indices of the images to train on, and how many were left out."""
    owners = np.repeat(np.arange(len(dataset)), np.diff(dataset.first))  # (M,)
    has_object = np.bincount(owners[~dataset.crowd], minlength=len(dataset)) > 0
    usable = np.arange(len(dataset)) if keep_empty else np.flatnonzero(has_object)
    if len(usable) == 0:
        raise UserError(
            f"training needs at least one image with an object that is no crowd, {dataset.path} has"
            f" none in {len(dataset)} images; check its annotations, or set data.keep_empty=true"
        )
    left_out = len(dataset) - len(usable)
    text = (
        f"{left_out} of {len(dataset)} training images have no object (crowds apart) and were"
        " left out"
    )
    return usable, (f"{text}; data.keep_empty=true trains on them",) if left_out else ()
