"""Training images from a stream of shards, in an order that can be resumed.

S shards.  The shards of all epochs lie in one row, those of each epoch shuffled. A lane is a worker
of a rank; lane k of L reads numbers k, k + L, k + 2 L … of the row, and shuffles what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import count
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.draws import Plan, draw_mix
from tasks.classification.data.squares import TrainSquares
from tasks.classification.data.unreadable import Unreadable
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.engine.loading import Share, read_in_turn
from tasks.engine.randomness import Stream, mix_key, mix_keys
from tasks.engine.sampling import batches_per_epoch
from tasks.engine.shuffling import ShuffleBuffer

_SHARD_ORDER = 1 << 62  # separates the hashes of shards, and below of lanes, from those of images
_LANE_ORDER = 1 << 61


@dataclass(frozen=True)
class Cursor:
    """The place where a lane continues."""

    taken: int = 0
    """Number of images that it has given."""
    turn: int = 0
    """Number, in the row of shards, of the shard with its oldest held image."""
    sample: int = 0
    """Number of that image in its shard."""


@dataclass(frozen=True)
class Streamed:
    """An image as it lies in a shard."""

    turn: int
    sample: int
    place: int
    """Its number among all images."""
    key: int
    """Every random choice of the image in this epoch follows from it."""
    label: int
    content: bytes


@dataclass(frozen=True)
class Lane:
    """The endless micro-batches of one worker, each with the place where the lane continues; it is
    sent to the worker.
    """

    shards: RemoteShards
    squares: TrainSquares
    share: Share
    number: int
    """Number of the lane among those of all ranks, 0..L-1."""
    lanes: int
    """L."""
    cursor: Cursor
    first: int
    """Number of its next micro-batch among the rank's."""
    every: int
    """Distance between those numbers: the rank's workers."""

    def __iter__(self) -> Iterator[tuple[ClassificationBatch, Cursor]]:
        config = self.squares.config
        size = self.share.micro_batch(config.batch_size)
        buffer = ShuffleBuffer(
            self._images(),
            config.data.shuffle_buffer,
            mix_key(self.share.seed, _LANE_ORDER, self.number),
            self.cursor.taken,
        )
        for micro_batch in count(self.first, self.every):
            images = [buffer.take() for _ in range(size)]
            batch = self._batch(images, micro_batch // self.share.accumulate)
            yield batch, Cursor(buffer.taken, buffer.oldest.turn, buffer.oldest.sample)

    def _images(self) -> Iterator[Streamed]:
        """Yield the lane's images as stored in its shards, from the cursor on."""
        first = self.cursor.sample
        for turn in count(self.cursor.turn, self.lanes):
            epoch, shard = shard_at(turn, len(self.shards.addresses), self.share.seed)
            for found in self.shards.samples(shard, first):
                place = self.shards.place(shard, found.number)
                key = mix_key(self.share.seed, epoch, place)
                yield Streamed(turn, found.number, place, key, found.label, found.image)
            first = 0

    def _batch(self, images: Sequence[Streamed], step: int) -> ClassificationBatch:
        """A micro-batch of a step."""
        contents = {image.place: image.content for image in images}
        places = np.array([image.place for image in images], dtype=np.int64)
        labels = np.array([image.label for image in images], dtype=np.int64)
        keys = np.array([image.key for image in images], dtype=np.int64)
        mix = draw_mix(mix_key(self.share.seed, step, Stream.MIX), self.squares.config.augment)
        return self.squares.batch(Plan(places, keys, mix), labels, contents.__getitem__)


def shard_at(turn: int, shards: int, seed: int) -> tuple[int, int]:
    """Return the epoch and the shard with a number in the row of shards."""
    epoch, place = divmod(turn, shards)
    keys = mix_keys(seed, epoch, _SHARD_ORDER + np.arange(shards))
    return epoch, int(np.argsort(keys, kind="stable")[place])


@dataclass(frozen=True)
class StreamBatches:
    """An endless training set; an `engine.batches.Batches` that is `Positioned`."""

    shards: RemoteShards
    squares: TrainSquares
    share: Share
    unreadable: Unreadable
    cursors: list[Cursor]
    """Cursors of this rank's lanes, after the taken batches."""

    @classmethod
    def of(
        cls,
        shards: RemoteShards,
        squares: TrainSquares,
        share: Share,
        unreadable: Unreadable,
        positions: Sequence[Any] | None,
    ) -> StreamBatches:
        """Continue the batches from the positions of all ranks, or start at the beginning.

        UserError if there were other ranks or workers.
        """
        workers = max(1, squares.config.data.workers)
        first = share.rank * workers
        cursors = [Cursor(turn=first + lane) for lane in range(workers)]
        if positions is not None:
            _check_lanes(positions, share, workers)
            cursors = [Cursor(*numbers) for numbers in positions[share.rank]]
        return cls(shards, squares, share, unreadable, cursors)

    @property
    def epoch_length(self) -> int:
        """Steps that show data.train_images images."""
        return batches_per_epoch(len(self.shards), self.squares.config.batch_size)

    def start(self, step: int) -> Iterator[ClassificationBatch]:
        """Yield this rank's micro-batches from an optimiser step and its next images on."""
        self.share.micro_batch(self.squares.config.batch_size)  # the batch size must divide
        return self.unreadable.watched(self._batches(step * self.share.accumulate))

    def position(self) -> list[tuple[int, ...]]:
        """Return the cursors of this rank's lanes, as numbers."""
        return [astuple(cursor) for cursor in self.cursors]

    def _batches(self, first: int) -> Iterator[ClassificationBatch]:
        """Yield the micro-batches from a number on. Lanes take turns, beginning with the next
        one.
        """
        workers = len(self.cursors)
        lanes = [self._lane(number) for number in range(first, first + workers)]
        data = self.squares.config.data
        stream = read_in_turn(lanes, data.workers, self.share, data.timeout)
        for number, (batch, cursor) in enumerate(stream, first):
            self.cursors[number % workers] = cursor
            yield batch

    def _lane(self, micro_batch: int) -> Lane:
        """Return the lane that makes a micro-batch, from there on."""
        workers = len(self.cursors)
        worker = micro_batch % workers
        return Lane(
            shards=self.shards,
            squares=self.squares,
            share=self.share,
            number=self.share.rank * workers + worker,
            lanes=self.share.ranks * workers,
            cursor=self.cursors[worker],
            first=micro_batch,
            every=workers,
        )


def _check_lanes(positions: Sequence[Any], share: Share, workers: int) -> None:
    """Raise UserError if the number of ranks, or of lanes per rank, has changed."""
    before = len(positions[0])
    if (len(positions), before) == (share.ranks, workers):
        return
    rule = "a stream must continue with as many ranks and data.workers as it began with"
    seen = f"{share.ranks} ranks of {workers} instead of {len(positions)} of {before}"
    raise UserError(f"{rule}, got {seen}; set them back, or choose another run.output_dir")
