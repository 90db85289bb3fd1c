"""What a PNG file says of itself, without its pixels.

A file is a signature and chunks: length, kind, content, checksum (PNG specification, section 5).
What it says, EXIF among it, may come after the pixels.
"""

import os
import struct
from typing import IO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAYS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_CHECKSUM = 4  # bytes
# Chunks of an image of one black pixel.
_SIZE = bytes.fromhex("0000000d49484452000000010000000108000000003a7e9b55")
_PIXEL = bytes.fromhex("0000000a49444154789c636000000002000148afa471")
_END = bytes.fromhex("0000000049454e44ae426082")


def with_one_pixel(file: IO[bytes]) -> bytes:
    """A PNG file of one black pixel that says of itself what `file` does, in the same order.

    Pixels are skipped, not read; OSError where the file is cut off within them. The pictures of an
    animation after the first one say nothing.
    """
    length_of_file = file.seek(0, os.SEEK_END)
    file.seek(len(_SIGNATURE))
    parts = [_SIGNATURE, _SIZE]
    has_pixels = False
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND" or (kind == b"fcTL" and has_pixels):
            break
        if kind in _SAYS:
            parts.append(head + file.read(length + _CHECKSUM))
            continue
        if kind == b"IDAT" and not has_pixels:
            parts.append(_PIXEL)
            has_pixels = True
        if file.tell() + length > length_of_file:
            raise OSError("image file is truncated")
        file.seek(length + _CHECKSUM, os.SEEK_CUR)
    return b"".join([*parts, _END])
