"""Mutations of the bytes of a file: of texts (XML, YOLO, CSV, JSON, YAML), and of image files."""

import io
import re
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image

Mutation = Callable[[bytes, Random], bytes]
NASTY = (
    b"",
    b"-1",
    b"nan",
    b"inf",
    b"1e400",
    b"99999999999999999999",
    b"0x10",
    b"1,5",
    b"\x00",
    b"\xff\xfe",
    b"<",
    b"&x;",
    b"'",
    b'"',
    b"../../etc",
    b"true",
    "é".encode("latin-1"),
    "猫".encode("shift_jis"),
    b"a" * 200_000,
)
ENCODINGS = ("utf-16", "latin-1", "gbk", "shift_jis", "utf-8-sig")


def truncate(text: bytes, chance: Random) -> bytes:
    """Cut the end off."""
    return text[: chance.randrange(len(text) + 1)]


def flip(text: bytes, chance: Random) -> bytes:
    """Flip a bit."""
    if not text:
        return text
    place = chance.randrange(len(text))
    return text[:place] + bytes([text[place] ^ 1 << chance.randrange(8)]) + text[place + 1 :]


def zero(text: bytes, chance: Random) -> bytes:
    """Write zeros over a part, as a power cut does."""
    start = chance.randrange(len(text) + 1)
    length = min(len(text) - start, chance.choice((1, 16, 4096)))
    return text[:start] + bytes(length) + text[start + length :]


def repeat_line(text: bytes, chance: Random) -> bytes:
    """Write a line twice."""
    lines = text.split(b"\n")
    place = chance.randrange(len(lines))
    return b"\n".join([*lines[: place + 1], *lines[place:]])


def drop_line(text: bytes, chance: Random) -> bytes:
    """Leave a line out."""
    lines = text.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def replace_word(text: bytes, chance: Random) -> bytes:
    """Write something else in place of a word or a number."""
    words = list(re.finditer(rb"[\w.]+", text))
    if not words:
        return text
    word = chance.choice(words)
    return text[: word.start()] + chance.choice(NASTY) + text[word.end() :]


def insert(text: bytes, chance: Random) -> bytes:
    """Write something between two bytes."""
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(NASTY) + text[place:]


def recode(text: bytes, chance: Random) -> bytes:
    """Write it in another encoding, as far as that has its characters."""
    return text.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def other_lines(text: bytes, chance: Random) -> bytes:
    """End lines as another system does."""
    return text.replace(b"\n", chance.choice((b"\r\n", b"\r")))


TEXTS: tuple[Mutation, ...] = (
    truncate,
    flip,
    zero,
    repeat_line,
    drop_line,
    replace_word,
    replace_word,
    insert,
    recode,
    other_lines,
)


def damaged(image: bytes, chance: Random) -> bytes:
    """Cut off, flip or overwrite a part of an image file."""
    return chance.choice((truncate, flip, zero, insert))(image, chance)


def _saved(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def other_mode(image: bytes, chance: Random) -> bytes:
    """Save the picture with other channels or bits, in a file format that has them."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    mode, format_ = chance.choice(
        (
            ("1", "PNG"),
            ("L", "PNG"),
            ("LA", "PNG"),
            ("P", "PNG"),
            ("RGBA", "PNG"),
            ("CMYK", "JPEG"),
            ("YCbCr", "JPEG"),
            ("L", "GIF"),
            ("RGB", "WEBP"),
            ("CMYK", "TIFF"),
            ("F", "TIFF"),
        )
    )
    return _saved(picture.convert(mode), format_)


def deep(image: bytes, chance: Random) -> bytes:
    """Save the picture's gray values with 16 or 32 bits."""
    gray = np.asarray(Image.open(io.BytesIO(image)).convert("L"))
    if chance.random() < 0.5:
        return _saved(Image.fromarray(gray.astype(np.uint16) * 257), "PNG")
    return _saved(Image.fromarray(gray.astype(np.int32) * chance.choice((1, 257, 65793))), "TIFF")


def other_size(image: bytes, chance: Random) -> bytes:
    """Save a picture of another size."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    width, height = picture.size
    size = chance.choice(((height, width), (width + 1, height), (1, 1), (width, 1)))
    return _saved(picture.resize(size), "PNG")


def turned(image: bytes, chance: Random) -> bytes:
    """Save the picture with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = chance.randrange(10)
    return _saved(Image.open(io.BytesIO(image)).convert("RGB"), "PNG", exif=exif)


def foreign(image: bytes, chance: Random) -> bytes:
    """Write what is no image."""
    return chance.choice(
        (b"", b"x", b"<html></html>", b"version https://git-lfs.github.com/spec/v1")
    )


IMAGES: tuple[Mutation, ...] = (damaged, damaged, other_mode, deep, other_size, turned, foreign)


def mutate_text(text: bytes, chance: Random) -> bytes:
    """Apply one to three mutations of texts."""
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(TEXTS)(text, chance)
    return text


def mutate_image(image: bytes, chance: Random) -> bytes:
    """Apply one mutation of image files."""
    return chance.choice(IMAGES)(image, chance)
