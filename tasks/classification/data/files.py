"""Class images that worker processes decode as needed.

B images of a micro-batch, H x W pixels; places are those of images in their data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch, plain_batch
from tasks.classification.data.draws import Plan, draw_plan
from tasks.classification.data.squares import Square, TrainSquares, stack_squares
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.data.views import View
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.loading import Loader, Share
from tasks.engine.sampling import batches_per_epoch
from tasks.errors import DataError, errors_of
from tasks.images import opened


@dataclass(frozen=True)
class TrainReader:
    """Turns the plan of a micro-batch into its images; it is sent to workers."""

    images: ClassImages
    config: ClassificationConfig
    colour: tuple[int, int, int]
    """The mean colour, for areas without pixels."""

    def __call__(self, plan: Plan) -> ClassificationBatch:
        """Decode, cut and augment the images."""
        return self.squares.batch(plan, self.images.labels[plan.places], self.images.read)

    @cached_property
    def squares(self) -> TrainSquares:
        """Make the parts to cut from the images."""
        return TrainSquares(self.config, self.colour)


@dataclass(frozen=True)
class FileBatches:
    """An endless training set; an `engine.batches.Batches`."""

    reader: TrainReader
    share: Share
    unreadable: Unreadable

    @property
    def epoch_length(self) -> int:
        """Steps that show as many images as there are."""
        return batches_per_epoch(len(self.reader.images), self.reader.config.batch_size)

    def start(self, step: int) -> Iterator[ClassificationBatch]:
        """This rank's micro-batches from an optimiser step on."""
        config = self.reader.config
        data = config.data
        loader = Loader(self.reader, data.workers, self.share, data.timeout)
        return self.unreadable.watched(loader.training(self.plan, step, config.batch_size))

    def plan(self, step: int) -> Plan:
        """Choose the images of a step's global batch, and their keys."""
        config = self.reader.config
        images = len(self.reader.images)
        return draw_plan(step, images, config.batch_size, self.share.seed, config.augment)


@dataclass(frozen=True)
class Places:
    """Images that are scored together."""

    places: Sequence[int]

    def part(self, start: int, stop: int) -> Places:
        """Return some of them."""
        return Places(self.places[start:stop])


@dataclass(frozen=True)
class TestReader:
    """Turns places into the views of their images; it is sent to workers."""

    __test__ = False  # not a pytest class

    images: ClassImages
    config: ClassificationConfig
    views: tuple[View, ...]
    """The V views of each image, all of one size."""

    def __call__(self, plan: Places) -> ClassificationBatch:
        """Make the views of the images, an image's views in a row (B * V)."""
        squares = [square for place in plan.places for square in self._views(place)]
        owners = np.repeat(np.array(plan.places, dtype=np.int64), len(self.views))
        pixels, _, missing = stack_squares(squares, owners)
        labels = torch.from_numpy(self.images.labels[owners])
        return plain_batch(pixels, labels, torch.from_numpy(owners + 1), missing)

    def _views(self, place: int) -> list[Square]:
        try:
            with opened(self.images.read(place), self.config.data.exif) as image:
                whole = image.rgb()
                with errors_of(self.images.name(place)):
                    return [np.asarray(view.of(whole, self.config.test)) for view in self.views]
        except DataError as error:
            return [error] * len(self.views)


@dataclass(frozen=True)
class ScoredFiles:
    """This rank's part of a data set for scoring; over all ranks each image comes once."""

    reader: TestReader
    share: Share
    unreadable: Unreadable
    batch_size: int
    """Most images that are read together."""

    def __iter__(self) -> Iterator[ClassificationBatch]:
        places = range(self.share.rank, len(self.reader.images), self.share.ranks)
        everything = Places(places)
        plans = [
            everything.part(start, start + self.batch_size)
            for start in range(0, len(places), self.batch_size)
        ]
        data = self.reader.config.data
        loader = Loader(self.reader, data.workers, self.share, data.timeout)
        yield from self.unreadable.watched(loader.batches(plans))

    @property
    def images(self) -> int:
        """This rank's images."""
        return len(range(self.share.rank, len(self.reader.images), self.share.ranks))
