"""PNG files whose pixels were damaged are refused; sizes and turns are read without pixels."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from resnet_backbones.errors import UserError
from tasks.errors import DataError
from tasks.images import decode, image_sizes, stored_values

HEIGHT, WIDTH = 4, 6


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


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def gray(before: bytes = b"", after: bytes = b"", rows: bytes | None = None) -> bytes:
    """A gray file of 6x4 pixels with chunks before and after those."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    if rows is None:
        rows = zlib.compress(bytes(HEIGHT * (WIDTH + 1)))
    first, second = rows[:9], rows[9:]
    pixels = chunk(b"IDAT", first) + chunk(b"IDAT", second)
    parts = (chunk(b"IHDR", header), before, pixels, after, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif(orientation: int) -> bytes:
    """An EXIF block."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes().removeprefix(b"Exif\0\0")


def xmp(orientation: int) -> bytes:
    """What another program says of the turn."""
    text = f'<rdf:Description tiff:Orientation="{orientation}"/>'.encode()
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text)


def raw_profile(orientation: int) -> bytes:
    """An EXIF block as ImageMagick writes it."""
    block = b"Exif\0\0" + exif(orientation)
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    return chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))


TURNED = {
    "EXIF before the pixels": gray(before=chunk(b"eXIf", exif(6))),
    "EXIF after the pixels": gray(after=chunk(b"eXIf", exif(8))),
    "XMP": gray(before=xmp(5)),
    "XMP after the pixels": gray(after=xmp(6)),
    "raw profile": gray(after=raw_profile(7)),
    "EXIF counts more than XMP": gray(before=xmp(1), after=chunk(b"eXIf", exif(6))),
}
UPRIGHT = {
    "nothing": gray(),
    "upside down": gray(after=chunk(b"eXIf", exif(3))),
    "unknown turn": gray(after=chunk(b"eXIf", exif(9))),
    "damaged EXIF": gray(after=chunk(b"eXIf", b"II*")),
    "other text": gray(before=chunk(b"tEXt", b"Comment\0tiff:Orientation")),
}


@pytest.mark.parametrize("case", TURNED)
def test_a_turned_file_is_of_the_size_that_it_is_decoded_to(case: str) -> None:
    assert image_sizes(TURNED[case]) == ((HEIGHT, WIDTH), (WIDTH, HEIGHT))
    assert decode(TURNED[case]).shape == (WIDTH, HEIGHT, 3)


@pytest.mark.parametrize("case", UPRIGHT)
def test_any_other_file_keeps_its_size(case: str) -> None:
    assert image_sizes(UPRIGHT[case]) == ((HEIGHT, WIDTH), (HEIGHT, WIDTH))
    assert decode(UPRIGHT[case]).shape == (HEIGHT, WIDTH, 3)


def test_no_pixel_is_decoded() -> None:
    """Rubbish where the pixels should be is not noticed."""
    rubbish = gray(after=chunk(b"eXIf", exif(6)), rows=b"no compressed rows")
    assert image_sizes(rubbish) == ((HEIGHT, WIDTH), (WIDTH, HEIGHT))
    with pytest.raises(UserError, match="cannot decode"):
        decode(rubbish)


def test_a_file_that_ends_within_its_pixels_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.effect_noise((64, 64), 50).save(file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"a\.png: image file is truncated"):
        image_sizes(file)


def test_later_pictures_of_an_animation_do_not_turn_the_first() -> None:
    """PIL reads up to them, so that the decoder does not know what follows."""
    stream = io.BytesIO()
    frames = [Image.new("L", (WIDTH, HEIGHT), shade) for shade in (10, 200)]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    content = stream.getvalue()
    end = content.rindex(b"IEND") - 4
    turned = content[:end] + chunk(b"eXIf", exif(6)) + content[end:]
    assert isinstance(Image.open(io.BytesIO(turned)), PngImagePlugin.PngImageFile)
    assert image_sizes(turned)[1] == decode(turned).shape[:2] == (HEIGHT, WIDTH)
