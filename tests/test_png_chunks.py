"""The header of a PNG file tells its size and its turn, and no pixel is decoded for it."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from resnet_backbones.errors import UserError
from tasks.images import decode, image_sizes

HEIGHT, WIDTH = 4, 6


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(before: bytes = b"", after: bytes = b"", rows: bytes | None = None) -> bytes:
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
    "EXIF before the pixels": png(before=chunk(b"eXIf", exif(6))),
    "EXIF after the pixels": png(after=chunk(b"eXIf", exif(8))),
    "XMP": png(before=xmp(5)),
    "XMP after the pixels": png(after=xmp(6)),
    "raw profile": png(after=raw_profile(7)),
    "EXIF counts more than XMP": png(before=xmp(1), after=chunk(b"eXIf", exif(6))),
}
UPRIGHT = {
    "nothing": png(),
    "upside down": png(after=chunk(b"eXIf", exif(3))),
    "unknown turn": png(after=chunk(b"eXIf", exif(9))),
    "damaged EXIF": png(after=chunk(b"eXIf", b"II*")),
    "other text": png(before=chunk(b"tEXt", b"Comment\0tiff:Orientation")),
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
    rubbish = png(after=chunk(b"eXIf", exif(6)), rows=b"no compressed rows")
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
