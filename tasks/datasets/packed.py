"""Sequences of numbers and texts as one buffer."""

import json
from collections.abc import Sequence
from typing import overload

import numpy as np

from tasks.labels import FileId


class PackedValues(Sequence[FileId]):
    """A sequence of numbers and texts that is one buffer, not one Python object each."""

    def __init__(self, values: Sequence[FileId]) -> None:
        texts = [json.dumps(value).encode() for value in values]
        self._ends = np.cumsum([0, *map(len, texts)])
        self._buffer = np.frombuffer(b"".join(texts), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> FileId: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FileId]: ...
    def __getitem__(self, index: int | slice) -> FileId | Sequence[FileId]:
        if isinstance(index, slice):
            return [self[single] for single in range(*index.indices(len(self)))]
        position = range(len(self))[index]  # raises IndexError; negative ones are from the end
        text = self._buffer[self._ends[position] : self._ends[position + 1]]
        value: FileId = json.loads(text.tobytes())
        return value
