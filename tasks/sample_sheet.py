"""A sheet of training images as the network gets them.  Images are (H, W, 3) uint8 RGB."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tasks.drawing import GRAY, INK, PANEL, text_font
from tasks.files import AtomicFile
from tasks.images import Pixels

TEXT = 15  # pixels, height of text in an image

# In pixels.
_CELL_WIDTH = 360
_CELL_HEIGHT = 320  # at most
_ACROSS = 4
_GAP = 16
_HEAD = 70
_LINE = 22
_FOOT = 2 * _LINE + 8  # below each image, for two lines of text


@dataclass(frozen=True)
class Sample:
    """A training image."""

    pixels: Pixels
    """As returned by `fitted`, with its ground truth drawn in."""
    name: str
    words: str
    """Its ground truth in words."""


def fitted(pixels: Pixels) -> Pixels:
    """Resize an image to its size on the sheet; a small one by a whole factor, so that its pixels
    stay square.
    """
    height, width = pixels.shape[:2]
    scale = min(_CELL_WIDTH / width, _CELL_HEIGHT / height)
    method = Image.Resampling.LANCZOS
    if scale >= 2:
        scale = int(scale)
        method = Image.Resampling.NEAREST
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def write_sheet(samples: Sequence[Sample], path: Path) -> None:
    """Write the samples, at least one, as a PNG."""
    across = min(_ACROSS, len(samples))
    rows = -(-len(samples) // across)
    cell_height = max(sample.pixels.shape[0] for sample in samples)
    row_height = cell_height + _FOOT + _GAP
    width = _GAP + across * (_CELL_WIDTH + _GAP)
    page = Image.new("RGB", (width, _HEAD + rows * row_height), "white")
    pen = ImageDraw.Draw(page)
    _write_line(pen, "Training images as the network gets them", (_GAP, _HEAD / 2), 24, width)
    for index, sample in enumerate(samples):
        left = _GAP + index % across * (_CELL_WIDTH + _GAP)
        top = _HEAD + index // across * row_height
        pen.rectangle((left, top, left + _CELL_WIDTH - 1, top + cell_height - 1), fill=PANEL)
        picture = Image.fromarray(sample.pixels)
        aside = (_CELL_WIDTH - picture.width) // 2
        page.paste(picture, (left + aside, top + (cell_height - picture.height) // 2))
        below = top + cell_height + 4 + _LINE / 2
        _write_line(pen, sample.words, (left, below), 16, _CELL_WIDTH)
        _write_line(pen, sample.name, (left, below + _LINE), 14, _CELL_WIDTH, soft=True)
    with AtomicFile(path) as file:
        page.save(file, "PNG")


def _write_line(
    pen: ImageDraw.ImageDraw,
    text: str,
    start: tuple[float, float],
    size: int,
    width: int,
    *,
    soft: bool = False,
) -> None:
    """Write a line of text, cut if it is too wide; `start` is the middle of its left edge."""
    font = text_font(size, bold=not soft)
    shown = _cut(" ".join(text.split()), font, width)
    pen.text(start, shown, font=font, fill=GRAY if soft else INK, anchor="lm")


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return the text, or as much of its beginning as fits."""
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while kept and font.getlength(f"{text[:kept]}…") > width:
        kept -= 1
    return f"{text[:kept]}…"
