"""Stores of the images of a data set: files, an array, or a part of a store.  N images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.images import ImageSource
from tasks.labels import FileId


class Store(Protocol):
    """N images on disk or in memory; any number of processes and threads may read them at once.

    A store can be pickled; each process opens its files at its first read.
    """

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return the name of image 0..N-1 in messages and results."""
        ...

    def read(self, index: int) -> ImageSource:
        """Return image 0..N-1 as `tasks.images.decode` takes it."""
        ...


@dataclass(frozen=True)
class FileStore:
    """Image files."""

    folder: Path
    names: Sequence[FileId]  # (N,) relative to the folder, or absolute

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the file's path."""
        return str(self.read(index))

    def read(self, index: int) -> Path:
        """Return the file's path."""
        return self.folder / str(self.names[index])


@dataclass(frozen=True)
class ArrayStore:
    """Images in memory."""

    title: str
    images: NDArray[np.uint8]  # (N, H, W, 3)

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Return the title and the image's place."""
        return f"{self.title}: image {index}"

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return the image's pixels (H, W, 3)."""
        pixels: NDArray[np.uint8] = self.images[index]
        return pixels


@dataclass(frozen=True)
class PartOfStore:
    """Some images of another store."""

    whole: Store
    places: NDArray[np.int64]  # (N,) in the other store

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """Return the image's name in the other store."""
        return self.whole.name(int(self.places[index]))

    def read(self, index: int) -> ImageSource:
        """Read the image from the other store."""
        return self.whole.read(int(self.places[index]))
