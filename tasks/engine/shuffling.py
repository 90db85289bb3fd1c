"""Shuffle an endless stream with a buffer whose content follows from a count, so that no state is
saved.

The stream is cut into blocks of N items. While one block goes out in its own order, the next comes
in, item for item, so that N items are held at any time. The number of items that went out
determines which ones.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from tasks.engine.randomness import mix_keys

T = TypeVar("T")


class ShuffleBuffer(Generic[T]):
    """N items of a stream.

    `taken` items have gone out before. The stream begins with its first item. If some have gone
    out, it begins with the `oldest` one held then: at most 2 N items before the next to come in.
    """

    def __init__(self, stream: Iterator[T], size: int, key: int, taken: int = 0) -> None:
        self.stream = stream
        self.size = size
        self.key = key
        self.taken = taken
        self.held: dict[int, T] = {}
        """Items by number in the stream, the oldest first."""
        block, done = divmod(taken, size)
        self.order = self._order(block)
        gone = set(self.order[:done].tolist())
        self.next = int(self.order[done:].min())
        while len(self.held) < size:
            item = next(stream)
            if self.next not in gone:
                self.held[self.next] = item
            self.next += 1

    def take(self) -> T:
        """Return the next item, and take in another one."""
        block, place = divmod(self.taken, self.size)
        if place == 0:
            self.order = self._order(block)
        item = self.held.pop(int(self.order[place]))
        self.held[self.next] = next(self.stream)
        self.next += 1
        self.taken += 1
        return item

    @property
    def oldest(self) -> T:
        """The item with which the stream of a resumed buffer must begin."""
        return next(iter(self.held.values()))

    def _order(self, block: int) -> npt.NDArray[np.int64]:
        """Return the numbers (N,) of a block's items in the order in which they go out."""
        keys = mix_keys(self.key, block, np.arange(self.size))
        return block * self.size + np.argsort(keys, kind="stable")
