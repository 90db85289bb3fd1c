"""Read archives in place.  N files in an archive."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tasks.datasets.class_images.class_folders import (
    ClassFolders,
    is_below,
    is_image,
    sort_into_classes,
)
from tasks.errors import DataError

_OPEN = 128  # files in a process at most; systems allow 1024 or fewer


@dataclass(frozen=True)
class ArchiveFiles:
    """Files that each process opens at its first read, and reads without a shared position."""

    paths: tuple[Path, ...]
    versions: tuple[tuple[int, int], ...]
    """Bytes and time of the last change, when they were listed."""

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "ArchiveFiles":
        """Make it from files as they are now."""
        return cls(tuple(paths), tuple(_version(path.stat()) for path in paths))

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Read bytes of file `number`; DataError if the file has changed since it was listed."""
        file = _open(self.paths[number], self.versions[number])
        content = os.pread(file.descriptor, size, offset)
        if len(content) != size:
            raise _changed(self.paths[number])
        return content


def sort_members(path: Path, files: Sequence[str], folders: Iterable[str]) -> ClassFolders:
    """Find the classes in an archive, below the folders that all its images share.

    Raises DataError like `sort_into_classes`, and for a name that leads out of the archive.
    """
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            rule = f"names in an archive must stay within it, got {name!r} in {path}"
            raise DataError(rule, "make it again from within the folder of the classes")
    return sort_into_classes(path, files, folders, above=_common_folder(files))


class _OpenFile:
    """A descriptor that is closed when its last reader is gone."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):  # it could be opened
            os.close(self.descriptor)


@lru_cache(maxsize=_OPEN)
def _open(path: Path, version: tuple[int, int]) -> _OpenFile:
    """Return the open file, one for all readers in a process; a forked process inherits it."""
    file = _OpenFile(path)
    if _version(os.fstat(file.descriptor)) != version:
        raise _changed(path)
    return file


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _changed(path: Path) -> DataError:
    return DataError(f"{path} must not change while it is in use, but has", "start again")


def _common_folder(files: Sequence[str]) -> str:
    """Find the folders above all class folders, such as "data/train/"."""
    images = (name for name in files if is_below(name, "") and is_image(name))
    folders = {name.rpartition("/")[0] for name in images}
    above = ""
    while True:
        below = [folder[len(above) :].partition("/") for folder in folders]
        tops = {top for top, _, _ in below}
        if len(tops) != 1 or not all(inside for _, _, inside in below):
            return above
        above += f"{tops.pop()}/"
