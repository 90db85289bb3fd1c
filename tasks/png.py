"""Read what PNG files hold besides pixels, and check the pixels' checksums, which PIL ignores.

A file is a signature and chunks: length, type, content, checksum (PNG specification, third edition,
5.3).
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4s")  # of a chunk: bytes of its content, and its type
_CHECKSUM = 4  # bytes
_PIXELS = b"IDAT"
_END = b"IEND"
_FRAME = b"fcTL"  # before each picture of an animation
_SAYS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
# Chunks of an image of one black pixel.
_ONE_SIZE = bytes.fromhex("0000000d49484452000000010000000108000000003a7e9b55")
_ONE_PIXEL = bytes.fromhex("0000000a49444154789c636000000002000148afa471")
_ONE_END = bytes.fromhex("0000000049454e44ae426082")


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    start: int
    """Offset of its content in the file."""
    length: int

    def read(self, file: IO[bytes]) -> tuple[bytes, bytes]:
        """Read the content and the checksum; shorter if the file is cut off."""
        file.seek(self.start)
        return file.read(self.length), file.read(_CHECKSUM)


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """Yield the chunks before the end; contents are skipped, not read."""
    place = len(_SIGNATURE)
    file.seek(place)
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        length, kind = _HEADER.unpack(header)
        if kind == _END:
            return
        chunk = _Chunk(kind, place + _HEADER.size, length)
        yield chunk
        place = chunk.start + length + _CHECKSUM
        file.seek(place)


def check_pixels(file: IO[bytes]) -> None:
    """Raise ValueError if compressed pixels differ from their CRC-32; keeps the file's position.

    A file that is cut off is left to its decoder.
    """
    position = file.tell()
    for chunk in _chunks(file):
        if chunk.kind != _PIXELS:
            continue
        content, stated = chunk.read(file)
        crc = zlib.crc32(content, zlib.crc32(chunk.kind))
        if len(stated) == _CHECKSUM and crc != int.from_bytes(stated):
            raise ValueError("its pixels differ from their checksum")
    file.seek(position)


def with_one_pixel(file: IO[bytes]) -> bytes:
    """Make a PNG file of one black pixel with the metadata of `file`, in the same order.

    EXIF may come after the pixels, which are skipped; OSError if the file is cut off within them.
    Metadata of later pictures of an animation are left out.
    """
    length_of_file = file.seek(0, os.SEEK_END)
    parts = [_SIGNATURE, _ONE_SIZE]
    has_pixels = False
    for chunk in _chunks(file):
        if chunk.kind == _FRAME and has_pixels:
            break
        if chunk.kind in _SAYS:
            content, stated = chunk.read(file)
            parts.append(_HEADER.pack(chunk.length, chunk.kind) + content + stated)
        elif chunk.kind == _PIXELS and chunk.start + chunk.length > length_of_file:
            raise OSError("image file is truncated")
        elif chunk.kind == _PIXELS and not has_pixels:
            parts.append(_ONE_PIXEL)
            has_pixels = True
    return b"".join([*parts, _ONE_END])
