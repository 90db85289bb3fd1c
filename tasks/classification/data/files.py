"""Class images that are decoded as they are needed, by worker processes.

B images of a micro-batch, H x W pixels; places are those of images in their data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch, plain_batch
from tasks.classification.data.draws import Plan, draw_erased, draw_plan, draw_tints
from tasks.classification.data.policies import Operation, build_operations
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.data.views import View
from tasks.classification.data.windows import (
    DRAWS,
    Pixels,
    padded_square,
    resized_window,
    scaled_window,
)
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.loading import Loader, Share
from tasks.engine.randomness import Stream, uniform
from tasks.engine.sampling import batches_per_epoch
from tasks.errors import DataError
from tasks.images import opened
from tasks.stages import AUGMENT, stage

Square = Pixels | DataError
"""An image as the network sees it, or why there is none."""


@dataclass(frozen=True)
class TrainReader:
    """From the plan of a micro-batch to its images; goes to workers."""

    images: ClassImages
    config: ClassificationConfig
    colour: tuple[int, int, int]
    """The mean colour, for what no pixel fills."""

    def __call__(self, plan: Plan) -> ClassificationBatch:
        """Decode, cut and augment the images."""
        config = self.config.augment
        keys = torch.from_numpy(plan.keys)
        draws = uniform(keys, Stream.PLACEMENT, DRAWS).tolist()  # (B, DRAWS)
        rows = zip(plan.places.tolist(), plan.keys.tolist(), draws, strict=True)
        with stage(AUGMENT):  # decoding counts for itself
            squares = [self._square(place, key, numbers) for place, key, numbers in rows]
        pixels, source, missing = stack_squares(squares, plan.places)
        places = plan.places[source]
        count = len(places)
        return ClassificationBatch(
            images=pixels,
            labels=torch.from_numpy(self.images.labels[places]),
            image_ids=torch.from_numpy(places + 1),
            missing=missing,
            tint=draw_tints(plan.keys, config),
            erased=draw_erased(plan.keys, config),
            blend=torch.full((count,), plan.mix.blend),
            pasted=torch.tensor(plan.mix.pasted).repeat(count, 1),
        )

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """What is done with each square; made where it is used, as it cannot be sent there."""
        return build_operations(self.config.augment, self.colour)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "operations"}

    def _square(self, place: int, key: int, draws: Sequence[float]) -> Square:
        try:
            square = self._cut(place, draws)
        except DataError as error:
            return error
        for operation in self.operations:
            square = operation(square, key)
        return square

    def _cut(self, place: int, draws: Sequence[float]) -> Pixels:
        config = self.config.augment
        with opened(self.images.read(place), self.config.data.exif) as image:
            if config.crop == "padded":
                return padded_square(image, draws, config, self.colour)
            if config.crop == "center":
                test = self.config.test
                view = View(test.resize, config.size, flip=draws[0] < config.flip)
                return np.asarray(view.of(image.rgb(), test))
            draw = resized_window if config.crop == "resized" else scaled_window
            window = draw(image.size, draws, config)
            return window.cut(image, config.size, config.interpolation)


@dataclass(frozen=True)
class FileBatches:
    """An endless training set; an `engine.batches.Batches`."""

    reader: TrainReader
    share: Share
    unreadable: Unreadable

    @property
    def epoch_length(self) -> int:
        """Steps in which as many images are shown as there are."""
        return batches_per_epoch(len(self.reader.images), self.reader.config.batch_size)

    def start(self, step: int) -> Iterator[ClassificationBatch]:
        """This rank's micro-batches from an optimiser step on."""
        config = self.reader.config
        loader = Loader(self.reader, config.data.workers, self.share)
        return self.unreadable.watched(loader.training(self.plan, step, config.batch_size))

    def plan(self, step: int) -> Plan:
        """The images of a step's global batch, and their keys."""
        config = self.reader.config
        images = len(self.reader.images)
        return draw_plan(step, images, config.batch_size, self.share.seed, config.augment)


@dataclass(frozen=True)
class Places:
    """Images that are scored together."""

    places: Sequence[int]

    def part(self, start: int, stop: int) -> Places:
        """Some of them."""
        return Places(self.places[start:stop])


@dataclass(frozen=True)
class TestReader:
    """From places to the views of their images; goes to workers."""

    __test__ = False  # no test of pytest's

    images: ClassImages
    config: ClassificationConfig
    views: tuple[View, ...]
    """What is shown of each image, all of one size; V of them."""

    def __call__(self, plan: Places) -> ClassificationBatch:
        """The views of the images, an image's beside each other (B * V)."""
        squares = [square for place in plan.places for square in self._views(place)]
        owners = np.repeat(np.array(plan.places, dtype=np.int64), len(self.views))
        pixels, _, missing = stack_squares(squares, owners)
        labels = torch.from_numpy(self.images.labels[owners])
        return plain_batch(pixels, labels, torch.from_numpy(owners + 1), missing)

    def _views(self, place: int) -> list[Square]:
        try:
            with opened(self.images.read(place), self.config.data.exif) as image:
                whole = image.rgb()
                return [np.asarray(view.of(whole, self.config.test)) for view in self.views]
        except DataError as error:
            return [error] * len(self.views)


@dataclass(frozen=True)
class ScoredFiles:
    """This rank's part of a data set that is scored, each image once over all ranks."""

    reader: TestReader
    share: Share
    unreadable: Unreadable
    batch_size: int
    """Images that are read together, most."""

    def __iter__(self) -> Iterator[ClassificationBatch]:
        places = range(self.share.rank, len(self.reader.images), self.share.ranks)
        everything = Places(places)
        plans = [
            everything.part(start, start + self.batch_size)
            for start in range(0, len(places), self.batch_size)
        ]
        loader = Loader(self.reader, self.reader.config.data.workers, self.share)
        yield from self.unreadable.watched(loader.batches(plans))

    @property
    def images(self) -> int:
        """This rank's images."""
        return len(range(self.share.rank, len(self.reader.images), self.share.ranks))


def stack_squares(
    squares: Sequence[Square], places: NDArray[np.int64]
) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Images (B, 3, H, W) uint8, in place of a missing one its nearest readable neighbour.

    With them the rows that they come from (B,), and of the missing ones the ids (B,), else 0. All
    black where no image is readable.
    """
    source = np.arange(len(squares))
    missing = np.zeros(len(squares), dtype=np.int64)
    readable = np.array([not isinstance(square, DataError) for square in squares])
    if not readable.any():
        nothing = torch.zeros((len(squares), 3, 1, 1), dtype=torch.uint8)
        return nothing, source, torch.from_numpy(places + 1)
    for row in np.flatnonzero(~readable).tolist():
        candidates = np.flatnonzero(readable)
        source[row] = candidates[np.abs(candidates - row).argmin()]
        missing[row] = places[row] + 1
    shown: list[NDArray[np.uint8]] = []
    for row in source.tolist():
        square = squares[row]
        assert not isinstance(square, DataError)
        shown.append(square)
    pixels = np.stack(shown)  # (B, H, W, 3)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), source, torch.from_numpy(missing)
