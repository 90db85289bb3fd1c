"""Read class folders in a zip in place.  N images."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.class_images.archive_files import ArchiveFiles, sort_members
from tasks.datasets.class_images.listing import Listing
from tasks.datasets.packed import PackedValues
from tasks.errors import DataError
from tasks.labels import FileId

_HEADER = struct.Struct("<4s2xH18xHH")
"""Before a file's name: signature, flags, lengths of name and extra."""
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 1
_UTF8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class ZipStore:
    """Images in a zip, stored or deflated."""

    files: ArchiveFiles  # the zip alone
    names: Sequence[FileId]  # (N,) for messages
    headers: NDArray[np.int64]  # (N,) offset of the header before a file's name
    stored_sizes: NDArray[np.int64]  # (N,) bytes in the zip
    checksums: NDArray[np.uint32]  # (N,) CRC-32
    deflated: NDArray[np.bool_]  # (N,)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the zip's name and that of the file in it."""
        return f"{self.files.paths[0].name}: {self.names[index]}"

    def read(self, index: int) -> bytes:
        """Read the bytes of an image file; DataError if the zip is damaged."""
        start = int(self.headers[index])
        header = self.files.read(0, start, _HEADER.size)
        signature, flags, name_length, extra_length = _HEADER.unpack(header)
        if signature != _SIGNATURE:
            raise self._damaged(index)
        size = name_length + extra_length + int(self.stored_sizes[index])
        rest = self.files.read(0, start + _HEADER.size, size)
        name = rest[:name_length].decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
        if _plain(name) != self.names[index]:  # that of the zip's directory
            raise self._damaged(index)
        content = rest[name_length + extra_length :]
        if self.deflated[index]:
            content = self._inflated(index, content)
        if zlib.crc32(content) != self.checksums[index]:
            raise self._damaged(index)
        return content

    def _inflated(self, index: int, content: bytes) -> bytes:
        try:
            return zlib.decompress(content, -zlib.MAX_WBITS)
        except zlib.error as error:
            raise self._damaged(index) from error

    def _damaged(self, index: int) -> DataError:
        return DataError(f"{self.name(index)} is damaged in the zip", "copy or make it again")


def read_zip(path: Path) -> Listing:
    """List the class folders in a zip.

    Raises DataError for a zip that is damaged, cut off, encrypted or compressed in a rare way, and
    if there are no class folders.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error) as error:
        rule = f"{path} must be a whole zip file, got: {error}"
        raise DataError(rule, "copy or download it again") from error
    files = [member for member in members if not member.is_dir()]
    names = [_with_slashes(member) for member in files]
    folders = [_with_slashes(member) for member in members if member.is_dir()]
    found = sort_members(path, names, folders)
    images = [files[place] for place in found.order]
    size = path.stat().st_size
    for member in images:
        _check(path, member, size)
    store = ZipStore(
        files=ArchiveFiles.of([path]),
        names=PackedValues([names[place] for place in found.order]),
        headers=np.array([member.header_offset for member in images], dtype=np.int64),
        stored_sizes=np.array([member.compress_size for member in images], dtype=np.int64),
        checksums=np.array([member.CRC for member in images], dtype=np.uint32),
        deflated=np.array([member.compress_type == zipfile.ZIP_DEFLATED for member in images]),
    )
    return Listing(store, found.classes, found.labels, found.warnings)


def _with_slashes(member: zipfile.ZipInfo) -> str:
    """Return a member's name in our form."""
    return _plain(member.filename)


def _plain(name: str) -> str:
    """Return a name in a zip with slashes; some programs write backslashes."""
    return name.replace("\\", "/").removeprefix("./")


def _check(path: Path, member: zipfile.ZipInfo, size: int) -> None:
    """Raise DataError for a member that cannot be read in place."""
    if member.flag_bits & _ENCRYPTED:
        rule = f"a zip must not have a password, but {member.filename} in {path} needs one"
        raise DataError(rule, "unpack it, or make it again without a password")
    if member.compress_type not in _METHODS:
        rule = f"files in a zip must be stored or deflated, {member.filename} in {path} is not"
        raise DataError(rule, "unpack it, or make it again with `zip -0`")
    if member.header_offset < 0 or member.header_offset + member.compress_size > size:
        rule = f"{path} must be a whole zip file, but does not hold all of {member.filename}"
        raise DataError(rule, "copy or download it again")
