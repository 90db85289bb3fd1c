"""Checksums of PNG files, which PIL does not look at where pixels lie."""

import struct
import zlib
from typing import IO

_SIGNATURE = 8  # bytes
_HEADER = struct.Struct(">I4s")  # of a chunk: bytes of its content, and its type
_PIXELS = b"IDAT"
_END = b"IEND"


def check_pixels(file: IO[bytes]) -> None:
    """Raise ValueError where compressed pixels differ from their CRC-32; the position stays.

    A file that is cut off is left to its decoder. See the PNG specification, third edition, 5.3.
    """
    position = file.tell()
    file.seek(_SIGNATURE)
    while True:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            break
        length, kind = _HEADER.unpack(header)
        if kind == _END:
            break
        if kind != _PIXELS:
            file.seek(length + 4, 1)
            continue
        content = file.read(length)
        stated = file.read(4)
        if len(stated) == 4 and zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(stated):
            raise ValueError("its pixels differ from their checksum")
    file.seek(position)
