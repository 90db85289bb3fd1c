"""PNG files whose pixels were damaged are refused, not read as other pixels."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from tasks.errors import DataError
from tasks.images import decode, stored_values


@pytest.fixture
def png() -> bytes:
    draw = np.random.default_rng(0)
    return as_png(draw.integers(0, 255, (40, 40, 3), dtype=np.uint8))


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def of_pixels(content: bytes) -> range:
    """The places of the compressed pixels."""
    start = content.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", content[start - 8 : start - 4])
    return range(start, start + length)


@pytest.mark.parametrize("read", [decode, stored_values])
def test_no_flipped_bit_of_the_pixels_goes_unnoticed(png: bytes, read) -> None:
    """Found by the campaign: PIL compares no checksum of IDAT."""
    draw = random.Random(0)
    for _ in range(50):
        damaged = bytearray(png)
        damaged[draw.choice(of_pixels(png))] ^= 1 << draw.randrange(8)
        with pytest.raises(DataError, match=r"cannot decode .* its pixels differ from their"):
            read(bytes(damaged))


def test_a_sound_file_is_read_as_pil_reads_it(png: bytes) -> None:
    with Image.open(io.BytesIO(png)) as image:
        assert np.array_equal(decode(png), np.asarray(image))


def test_an_image_in_several_parts_is_read() -> None:
    """PIL cuts what is larger than 64 KiB into several IDAT chunks."""
    pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    content = as_png(pixels)
    assert content.count(b"IDAT") > 1
    assert np.array_equal(decode(content), pixels)
    damaged = bytearray(content)
    damaged[content.rindex(b"IDAT") + 10] ^= 1
    with pytest.raises(DataError, match="differ from their checksum"):
        decode(bytes(damaged))


def test_a_file_that_is_cut_off_is_told_by_its_decoder(png: bytes) -> None:
    with pytest.raises(DataError, match="cannot decode"):
        decode(png[: len(png) // 2])
