"""What pictures have in common: colours of classes, letters, and pairs side by side.

Images are (H, W, 3) uint8 RGB.
"""

import colorsys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resnet_backbones.errors import UserError
from tasks.images import Pixels
from tasks.labels import LabelMap

Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # x1, y1, x2, y2

# Ten colours that stand apart from each other and from photographs; further labels get hues a
# golden angle apart.
VIVID = (
    "#ff3b4e",
    "#00aef0",
    "#ffc21a",
    "#1fbf68",
    "#a05cff",
    "#ff7a1a",
    "#00c4b3",
    "#f45bc4",
    "#93d41e",
    "#4a6bff",
)
Draw = Callable[[int, Pixels], Pixels]
"""(number of an image, the image as large as it is shown) -> the same with what belongs to it."""
INK = (31, 35, 40)
GRAY = (110, 118, 129)
PANEL = (238, 240, 243)

# The grid of predictions, in pixels.
CELL_WIDTH = 420
CELL_TEXT = CELL_WIDTH / 26  # height of what is written into an image
GAP = 6  # between ground truth and predictions of an image
MARGIN = 44  # between pairs, and around all
HEAD = 150  # above the first row
FOOT = 70  # below the last one, for the legend
ROW_GAP = 26


def label_color(label: int) -> Color:
    """Return the colour of a contiguous label, the same in every picture."""
    if label < len(VIVID):
        digits = VIVID[label].lstrip("#")
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    hue = (0.07 + 0.618033988749895 * label) % 1.0
    lightness = (0.45, 0.6, 0.7)[label % 3]
    saturation = (0.9, 0.65)[label % 2]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def class_color(label_map: LabelMap, label: int) -> Color:
    """Return the colour in which the data set draws a class, or that of its label."""
    return label_color(label) if label_map.colours is None else label_map.colours[label]


def pairs_grid(
    images: Sequence[Pixels],
    sides: tuple[Draw, Draw],
    labels: Sequence[int],
    label_map: LabelMap,
    path: str | Path,
    *,
    note: str,
    across: int = 3,
) -> None:
    """Write a picture of pairs, with ground truth drawn on the left and predictions on the right.

    The legend names `labels`. UserError where there is no image.
    """
    if not images:
        raise UserError("a picture of predictions needs at least one image, got none")
    across = min(across, len(images))
    rows = -(-len(images) // across)
    cell_height = _cell_height(images, CELL_WIDTH)
    row_height = cell_height + ROW_GAP
    step = 2 * CELL_WIDTH + GAP + MARGIN  # from a pair to the next
    bottom = HEAD + rows * row_height
    page = Image.new("RGB", (MARGIN + across * step, bottom + FOOT), "white")
    pen = ImageDraw.Draw(page)
    lefts = [MARGIN + column * step for column in range(across)]
    _write_heading(pen, note, lefts, CELL_WIDTH + GAP)
    for index, image in enumerate(images):
        left = lefts[index % across]
        top = HEAD + index // across * row_height
        resized = _resize_into(image, CELL_WIDTH, cell_height)
        for side, draw in enumerate(sides):
            cell = _cell(draw(index, resized), CELL_WIDTH, cell_height)
            page.paste(cell, (left + side * (CELL_WIDTH + GAP), top))
    _write_legend(pen, labels, label_map, (MARGIN, bottom + 12), page.width - MARGIN)
    page.save(path)


@lru_cache(maxsize=64)
def text_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along and which knows most scripts' letters."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def write_tag(
    pen: ImageDraw.ImageDraw,
    patch: Rectangle,
    text: str,
    font: ImageFont.FreeTypeFont,
    color: Color,
) -> None:
    """Write `text` in the middle of a patch of `color`: dark on bright colours, white on dark
    ones.
    """
    pen.rectangle(patch, fill=(*color, 235))
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 150
    middle = ((patch[0] + patch[2]) / 2, (patch[1] + patch[3]) / 2)
    pen.text(middle, text, font=font, fill=INK if bright else (255, 255, 255), anchor="mm")


def _cell_height(images: Sequence[Pixels], width: int) -> int:
    """Height of a cell of that width with the images' median aspect, kept between 2:3 and 4:3."""
    aspect = float(np.median([image.shape[0] / image.shape[1] for image in images]))
    return round(width * min(max(aspect, 2 / 3), 4 / 3))


def _resize_into(image: Pixels, width: int, height: int) -> Pixels:
    """The image as large as it fits into a cell; what is drawn later stays sharp."""
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(Image.fromarray(image).resize(inner, Image.Resampling.LANCZOS))


def _cell(pixels: Pixels, width: int, height: int) -> Image.Image:
    """A picture in the middle of a cell."""
    cell = Image.new("RGB", (width, height), PANEL)
    cell.paste(
        Image.fromarray(pixels), ((width - pixels.shape[1]) // 2, (height - pixels.shape[0]) // 2)
    )
    return cell


def _write_heading(pen: ImageDraw.ImageDraw, note: str, lefts: Sequence[int], offset: int) -> None:
    """The title, its note, and the two headings above each column of pairs."""
    title = "Ground truth and predictions"
    large = text_font(36, bold=True)
    small = text_font(24)
    pen.text((lefts[0], 62), title, font=large, fill=INK, anchor="ls")
    behind = lefts[0] + large.getlength(title) + 24
    pen.text((behind, 62), note, font=small, fill=GRAY, anchor="ls")
    for left in lefts:
        pen.text((left, 134), "ground truth", font=small, fill=INK, anchor="ls")
        pen.text((left + offset, 134), "predictions", font=small, fill=INK, anchor="ls")


def _write_legend(
    pen: ImageDraw.ImageDraw,
    labels: Sequence[int],
    label_map: LabelMap,
    start: tuple[int, int],
    right: int,
) -> None:
    """One line of colour patches with class names, as many as there is room for."""
    x, y = start
    font = text_font(22)
    for count, label in enumerate(labels):
        name = label_map.names[label]
        width = round(font.getlength(name)) + 66
        if x + width > right - 110 and count < len(labels) - 1:
            rest = f"and {len(labels) - count} more"
            pen.text((x, y + 11), rest, font=font, fill=GRAY, anchor="lm")
            return
        pen.rectangle((x, y, x + 22, y + 22), fill=class_color(label_map, label))
        pen.text((x + 32, y + 11), name, font=font, fill=INK, anchor="lm")
        x += width
