"""A picture of many images, each shown several times side by side.

Images are (H, W, 3) uint8 RGB.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from resnet_backbones.errors import UserError
from tasks.drawing import GRAY, INK, PANEL, text_font
from tasks.images import Pixels
from tasks.outcomes import Look, draw_outline

Draw = Callable[[int, Pixels], Pixels]
"""(number of an image, the image at its shown size) -> the image with its drawing."""

# In pixels.
CELL_WIDTH = 420
CELL_TEXT = CELL_WIDTH / 26  # height of text in an image
GAP = 6  # between pictures of the same image
MARGIN = 44  # between images, and around all
HEAD = 150  # above the first row
CAPTION = 34  # below each image, for its name
ROW_GAP = 22
LEGEND_LINE = 40
PATCH = (34, 22)  # width and height of a legend's patches


@dataclass(frozen=True)
class LegendEntry:
    """A name with a patch of colour or, if it has a look, with a small box of its line."""

    name: str
    look: Look
    filled: bool = True


def write_grid(
    images: Sequence[Pixels],
    names: Sequence[str],
    columns: Sequence[tuple[str, Draw]],
    legend: Sequence[LegendEntry],
    path: str | Path,
    *,
    note: str = "",
    across: int = 3,
) -> None:
    """Write a picture of images, each once for every (heading, drawing) of `columns`.

    `across` images stand in a row; `names` are written below them, `note` behind the title. Raises
    UserError without images.
    """
    if not images:
        raise UserError("a picture of predictions needs at least one image, got none")
    across = min(across, len(images))
    rows = -(-len(images) // across)
    cell_height = _cell_height(images, CELL_WIDTH)
    row_height = cell_height + CAPTION + ROW_GAP
    pair_width = len(columns) * (CELL_WIDTH + GAP) - GAP
    bottom = HEAD + rows * row_height
    width = MARGIN + across * (pair_width + MARGIN)
    lines = _legend_lines(legend, width - 2 * MARGIN)
    page = Image.new("RGB", (width, bottom + LEGEND_LINE * len(lines) + ROW_GAP), "white")
    pen = ImageDraw.Draw(page)
    lefts = [MARGIN + column * (pair_width + MARGIN) for column in range(across)]
    _write_heading(pen, note, lefts, [heading for heading, _ in columns])
    for index, image in enumerate(images):
        left = lefts[index % across]
        top = HEAD + index // across * row_height
        resized = _resize_into(image, CELL_WIDTH, cell_height)
        for number, (_, draw) in enumerate(columns):
            cell = _cell(draw(index, resized), CELL_WIDTH, cell_height)
            page.paste(cell, (left + number * (CELL_WIDTH + GAP), top))
        _write_caption(pen, names[index], (left, top + cell_height), pair_width)
    _write_legend(pen, lines, (MARGIN, bottom))
    page.save(path)


def write_words(image: Pixels, text: str) -> Pixels:
    """Copy the image with words at its foot, on a dark patch."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture, "RGBA")
    font = text_font(round(CELL_TEXT))
    is_long = font.getlength(text) > 0.9 * picture.width
    lines = text.replace("; ", ";\n") if is_long else text
    x1, y1, x2, y2 = pen.multiline_textbbox((0, 0), lines, font, align="center")
    left = (picture.width - x2 + x1) / 2
    top = picture.height - (y2 - y1) - 20
    pen.rectangle((left - 8, top - 6, left + x2 - x1 + 8, top + y2 - y1 + 8), fill=(0, 0, 0, 190))
    pen.multiline_text((left - x1, top - y1), lines, "white", font, align="center")
    return np.asarray(picture)


def _cell_height(images: Sequence[Pixels], width: int) -> int:
    """Return a cell's height for that width and the images' median aspect, from 2:3 to 4:3."""
    aspect = float(np.median([image.shape[0] / image.shape[1] for image in images]))
    return round(width * min(max(aspect, 2 / 3), 4 / 3))


def _resize_into(image: Pixels, width: int, height: int) -> Pixels:
    """Resize the image to fit into a cell; drawings come later and stay sharp."""
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(Image.fromarray(image).resize(inner, Image.Resampling.LANCZOS))


def _cell(pixels: Pixels, width: int, height: int) -> Image.Image:
    """Put a picture in the middle of a cell."""
    cell = Image.new("RGB", (width, height), PANEL)
    left = (width - pixels.shape[1]) // 2
    top = (height - pixels.shape[0]) // 2
    cell.paste(Image.fromarray(pixels), (left, top))
    return cell


def _write_heading(
    pen: ImageDraw.ImageDraw, note: str, lefts: Sequence[int], headings: Sequence[str]
) -> None:
    """Write the title, its note, and the headings above each image's pictures."""
    title = "Ground truth and predictions"
    large = text_font(36, bold=True)
    small = text_font(24)
    pen.text((lefts[0], 62), title, font=large, fill=INK, anchor="ls")
    behind = lefts[0] + large.getlength(title) + 24
    pen.text((behind, 62), note, font=small, fill=GRAY, anchor="ls")
    for left in lefts:
        for number, heading in enumerate(headings):
            x = left + number * (CELL_WIDTH + GAP)
            pen.text((x, 134), heading, font=small, fill=INK, anchor="ls")


def _write_caption(
    pen: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], width: int
) -> None:
    """Write a line below an image; the middle of a line that is too long is left out."""
    font = text_font(20)
    shown = text
    kept = len(text)
    while font.getlength(shown) > width and kept > 2:
        kept -= 1
        half = kept // 2
        shown = f"{text[:half]}…{text[len(text) - half :]}"
    pen.text((corner[0], corner[1] + CAPTION / 2), shown, font=font, fill=INK, anchor="lm")


def _legend_lines(legend: Sequence[LegendEntry], width: int) -> list[list[tuple[int, LegendEntry]]]:
    """The legend's lines, each of entries with their places from the left."""
    font = text_font(22)
    lines: list[list[tuple[int, LegendEntry]]] = []
    x = width + 1
    for entry in legend:
        needed = PATCH[0] + 10 + round(font.getlength(entry.name))
        if x + needed > width:
            lines.append([])
            x = 0
        lines[-1].append((x, entry))
        x += needed + 34
    return lines


def _write_legend(
    pen: ImageDraw.ImageDraw,
    lines: Sequence[Sequence[tuple[int, LegendEntry]]],
    start: tuple[int, int],
) -> None:
    font = text_font(22)
    for row, line in enumerate(lines):
        top = start[1] + row * LEGEND_LINE
        for x, entry in line:
            left = start[0] + x
            corners = (left, top, left + PATCH[0], top + PATCH[1])
            if entry.filled:
                pen.rectangle(corners, fill=entry.look.color)
            else:
                draw_outline(pen, corners, entry.look, 3)
            middle = (left + PATCH[0] + 10, top + PATCH[1] / 2)
            pen.text(middle, entry.name, font=font, fill=INK, anchor="lm")
