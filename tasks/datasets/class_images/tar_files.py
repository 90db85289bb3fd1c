"""Read class folders in an uncompressed tar in place.  N files."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.class_images.archive_files import ArchiveFiles, sort_members
from tasks.datasets.class_images.class_folders import is_image
from tasks.datasets.class_images.listing import Listing
from tasks.datasets.packed import PackedValues
from tasks.errors import DataError
from tasks.labels import FileId

COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd
_BLOCK = 512  # bytes
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TarStore:
    """Images in one or more tars."""

    files: ArchiveFiles
    names: Sequence[FileId]  # (N,)
    tars: NDArray[np.int32]  # (N,) index of the tar that holds an image
    offsets: NDArray[np.int64]  # (N,)
    sizes: NDArray[np.int64]  # (N,) bytes

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the tar's name and that of the file in it."""
        return f"{self.files.paths[self.tars[index]].name}: {self.names[index]}"

    def read(self, index: int) -> bytes:
        """Read the bytes of an image file; DataError if the tar has been cut off since."""
        number = int(self.tars[index])
        return self.files.read(number, int(self.offsets[index]), int(self.sizes[index]))


@dataclass(frozen=True)
class TarMembers:
    """The files in a tar, in their order, and its folders."""

    names: list[str]  # (N,)
    offsets: list[int]  # (N,)
    sizes: list[int]  # (N,) bytes
    folders: list[str]


def is_compressed(path: Path) -> bool:
    """Whether a file begins like one written by gzip, bzip2, xz or zstd."""
    with path.open("rb") as file:
        return file.read(6).startswith(COMPRESSED)


def index_tar(path: Path) -> TarMembers:
    """List a tar in one pass; DataError if it is compressed, damaged or cut off."""
    if is_compressed(path):
        rule = f"a tar must be uncompressed to be read in place, {path} is compressed"
        raise DataError(rule, "unpack it, or repack it without compression")
    found = TarMembers([], [], [], [])
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                _add(path, found, member)
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            whole = _ends_as_it_should(path, archive.offset)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _not_whole(path, str(error)) from error
    if not whole:
        raise _not_whole(path, "it ends within, or is damaged after, its files")
    return found


def read_tar(path: Path, members: TarMembers) -> Listing:
    """List the class folders in a tar; DataError if there are none."""
    found = sort_members(path, members.names, members.folders)
    store = TarStore(
        files=ArchiveFiles.of([path]),
        names=PackedValues([members.names[place] for place in found.order]),
        tars=np.zeros(len(found.order), dtype=np.int32),
        offsets=np.array(members.offsets, dtype=np.int64)[found.order],
        sizes=np.array(members.sizes, dtype=np.int64)[found.order],
    )
    return Listing(store, found.classes, found.labels, found.warnings)


def _add(path: Path, found: TarMembers, member: tarfile.TarInfo) -> None:
    """Note a file or a folder; DataError for an image that is a link."""
    name = member.name.removeprefix("./")
    if member.isdir() and name != ".":
        found.folders.append(name)
    elif member.isreg() and not member.issparse():
        found.names.append(name)
        found.offsets.append(member.offset_data)
        found.sizes.append(member.size)
    elif is_image(name):
        rule = f"images in a tar must be plain files, {name} in {path} is a link, or sparse"
        raise DataError(rule, "repack it with `tar --dereference --hard-dereference`")


def _ends_as_it_should(path: Path, end: int) -> bool:
    """Whether only zeros follow the last file of a tar, beginning with a block of zeros.

    A header that was overwritten with zeros looks like that block.
    """
    with path.open("rb") as file:
        file.seek(end)
        if file.read(_BLOCK) != bytes(_BLOCK):
            return False
        while rest := file.read(_CHUNK):
            if rest.count(0) != len(rest):
                return False
    return True


def _not_whole(path: Path, seen: str) -> DataError:
    return DataError(f"{path} must be a whole tar file, got: {seen}", "copy or download it again")
