"""Cut squares out of training images from any source.

B images of a micro-batch, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.draws import Plan, draw_erased, draw_tints
from tasks.classification.data.policies import Operation, build_operations
from tasks.classification.data.views import View
from tasks.classification.data.windows import (
    DRAWS,
    padded_square,
    resized_window,
    scaled_window,
)
from tasks.engine.randomness import Stream, uniform
from tasks.errors import DataError
from tasks.images import ImageSource, Pixels, opened
from tasks.stages import AUGMENT, stage

Square = Pixels | DataError
"""An image as the network gets it, or the error of an unreadable one."""


@dataclass(frozen=True)
class TrainSquares:
    """Turns the plan of a micro-batch into its images; it is sent to workers."""

    config: ClassificationConfig
    colour: tuple[int, int, int]
    """The mean colour, for areas without pixels."""

    def batch(
        self, plan: Plan, labels: NDArray[np.int64], read: Callable[[int], ImageSource]
    ) -> ClassificationBatch:
        """Decode, cut and augment the images, with labels (B,); `read(place)` returns one of
        them.
        """
        config = self.config.augment
        keys = torch.from_numpy(plan.keys)
        draws = uniform(keys, Stream.PLACEMENT, DRAWS).tolist()  # (B, DRAWS)
        rows = zip(plan.places.tolist(), plan.keys.tolist(), draws, strict=True)
        with stage(AUGMENT):  # decoding is timed by itself
            squares = [self._square(read, place, key, numbers) for place, key, numbers in rows]
        pixels, source, missing = stack_squares(squares, plan.places)
        count = len(source)
        return ClassificationBatch(
            images=pixels,
            labels=torch.from_numpy(labels[source]),
            image_ids=torch.from_numpy(plan.places[source] + 1),
            missing=missing,
            tint=draw_tints(plan.keys, config),
            erased=draw_erased(plan.keys, config),
            blend=torch.full((count,), plan.mix.blend),
            pasted=torch.tensor(plan.mix.pasted).repeat(count, 1),
        )

    def cut(self, source: ImageSource, draws: Sequence[float]) -> Pixels:
        """Cut the square of an image by DRAWS numbers in [0, 1); DataError for an unreadable
        one.
        """
        config = self.config.augment
        with opened(source, self.config.data.exif) as image:
            if config.crop == "padded":
                return padded_square(image, draws, config, self.colour)
            if config.crop == "center":
                test = self.config.test
                view = View(test.resize, config.size, flip=draws[0] < config.flip)
                return np.asarray(view.of(image.rgb(), test))
            draw = resized_window if config.crop == "resized" else scaled_window
            window = draw(image.size, draws, config)
            return window.cut(image, config.size, config.interpolation)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The operations on each square, made in the worker, as they cannot be sent there."""
        return build_operations(self.config.augment, self.colour)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "operations"}

    def _square(
        self, read: Callable[[int], ImageSource], place: int, key: int, draws: Sequence[float]
    ) -> Square:
        try:
            square = self.cut(read(place), draws)
        except DataError as error:
            return error
        for operation in self.operations:
            square = operation(square, key)
        return square


def stack_squares(
    squares: Sequence[Square], places: NDArray[np.int64]
) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Stack images (B, 3, H, W) uint8; the nearest readable neighbour replaces a missing one.

    Also returns their source rows (B,), and the ids of the missing ones (B,), otherwise 0. All are
    black if no image is readable.
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
