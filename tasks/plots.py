"""Pictures of detections.

N boxes of one image, (x1, y1, x2, y2) in its pixels; images are (H, W, 3) uint8 RGB.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
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
INK = (31, 35, 40)
GRAY = (110, 118, 129)
PANEL = (238, 240, 243)

# The grid of predictions, in pixels.
CELL_WIDTH = 420
GAP = 6  # between ground truth and predictions of an image
MARGIN = 44  # between pairs, and around all
HEAD = 150  # above the first row
FOOT = 70  # below the last one, for the legend
ROW_GAP = 26


@dataclass(frozen=True)
class LabelledBoxes:
    """N boxes of one image with their labels, and their scores when they are predictions."""

    boxes: NDArray[np.floating]  # (N, 4)
    labels: NDArray[np.int64]  # (N,) contiguous
    scores: NDArray[np.floating] | None = None  # (N,) in 0–1
    crowd: NDArray[np.bool_] | None = None  # (N,) boxes around groups that are not told apart

    def text(self, index: int, label_map: LabelMap) -> str:
        """Say what is written beside a box: its class, with the score or the word crowd."""
        name = label_map.names[int(self.labels[index])]
        if self.scores is not None:
            return f"{name} {self.scores[index]:.2f}"
        is_crowd = self.crowd is not None and self.crowd[index]
        return f"{name} (crowd)" if is_crowd else name

    def scaled(self, width: float, height: float) -> "LabelledBoxes":
        """Return the boxes on an image resized by these two factors."""
        return replace(self, boxes=self.boxes * np.array([width, height, width, height]))


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


def draw_boxes(
    image: Pixels,
    shown: LabelledBoxes,
    label_map: LabelMap,
    *,
    text_height: float | None = None,
) -> Pixels:
    """Draw outlined boxes and their labels into a copy of the image.

    A label that would hide others is left out. `text_height` is in pixels and the lines follow it;
    None takes it from the image's size.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture, "RGBA")
    size = text_height or max(10.0, (picture.width * picture.height) ** 0.5 / 32)
    order = _back_to_front(shown)
    for index in order:
        color = label_color(int(shown.labels[index]))
        _outline(pen, shown.boxes[index], color, max(1, round(size / 6)))
    font = text_font(max(8, round(0.8 * size)), bold=True)
    taken: list[Rectangle] = []
    for index in reversed(order):  # the best find room first
        text = shown.text(index, label_map)
        width = font.getlength(text) + 0.5 * size
        height = 1.1 * size
        patch = _place(shown.boxes[index], width, height, picture.size, taken)
        if _hidden_area(patch, taken) < 0.1 * width * height:
            _write_tag(pen, patch, text, font, label_color(int(shown.labels[index])))
            taken.append(patch)
    return np.asarray(picture)


def predictions_grid(
    images: Sequence[Pixels],
    truths: Sequence[LabelledBoxes],
    predictions: Sequence[LabelledBoxes],
    label_map: LabelMap,
    path: str | Path,
    *,
    note: str = "",
    across: int = 3,
) -> None:
    """Write a picture with each image twice, ground truth beside predictions, `across` in a row.

    `note` is written after the heading, for instance which predictions are shown. Raises UserError
    where there is no image.
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
    triples = zip(images, truths, predictions, strict=True)
    for index, (image, truth, prediction) in enumerate(triples):
        left = lefts[index % across]
        top = HEAD + index // across * row_height
        for shift, shown in ((0, truth), (CELL_WIDTH + GAP, prediction)):
            cell = _cell(image, shown, label_map, CELL_WIDTH, cell_height)
            page.paste(cell, (left + shift, top))
    drawn = np.concatenate([boxes.labels for boxes in (*truths, *predictions)])
    labels = np.unique(drawn).tolist()
    _write_legend(pen, labels, label_map, (MARGIN, bottom + 12), page.width - MARGIN)
    page.save(path)


@lru_cache(maxsize=64)
def text_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along and which knows most scripts' letters."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _back_to_front(shown: LabelledBoxes) -> list[int]:
    """Order of drawing: predictions by rising score, ground truth by falling area."""
    if shown.scores is not None:
        return [int(index) for index in np.argsort(shown.scores, kind="stable")]
    areas = (shown.boxes[:, 2] - shown.boxes[:, 0]) * (shown.boxes[:, 3] - shown.boxes[:, 1])
    return [int(index) for index in np.argsort(-areas, kind="stable")]


def _outline(
    pen: ImageDraw.ImageDraw, box: NDArray[np.floating], color: Color, thickness: int
) -> None:
    """A box in its colour with a thin dark rim, which keeps it visible on any background."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    x2 = max(x1, x2 - 1)  # the last pixel inside
    y2 = max(y1, y2 - 1)
    rim = max(1, thickness // 3)
    pen.rectangle((x1 - rim, y1 - rim, x2 + rim, y2 + rim), outline=(0, 0, 0, 120), width=rim)
    pen.rectangle((x1, y1, x2, y2), outline=color, width=thickness)


def _write_tag(
    pen: ImageDraw.ImageDraw,
    patch: Rectangle,
    text: str,
    font: ImageFont.FreeTypeFont,
    color: Color,
) -> None:
    """`text` in the middle of a patch of `color`, dark on bright colours and white on dark ones."""
    pen.rectangle(patch, fill=(*color, 235))
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 150
    middle = ((patch[0] + patch[2]) / 2, (patch[1] + patch[3]) / 2)
    pen.text(middle, text, font=font, fill=INK if bright else (255, 255, 255), anchor="mm")


def _place(
    box: NDArray[np.floating],
    width: float,
    height: float,
    image_size: tuple[int, int],
    taken: Sequence[Rectangle],
) -> Rectangle:
    """A width x height patch inside the image, at the box's corner where it hides least."""
    x1, y1, x2, y2 = (float(value) for value in box)
    corners = (
        (x1, y1 - height),
        (x1, y2),
        (x2 - width, y1 - height),
        (x2 - width, y2),
        (x1, y1),
        (x1, y2 - height),
    )
    patches = []
    for left, top in corners:
        inner_left = min(max(left, 0.0), max(0.0, image_size[0] - width))
        inner_top = min(max(top, 0.0), max(0.0, image_size[1] - height))
        patches.append((inner_left, inner_top, inner_left + width, inner_top + height))
    return min(patches, key=lambda patch: _hidden_area(patch, taken))


def _hidden_area(patch: Rectangle, taken: Sequence[Rectangle]) -> float:
    """Area of the patches `taken` that a patch would hide."""
    return sum(_overlap(patch, earlier) for earlier in taken)


def _overlap(first: Rectangle, second: Rectangle) -> float:
    """Area that two rectangles share."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _cell_height(images: Sequence[Pixels], width: int) -> int:
    """Height of a cell of that width with the images' median aspect, kept between 2:3 and 4:3."""
    aspect = float(np.median([image.shape[0] / image.shape[1] for image in images]))
    return round(width * min(max(aspect, 2 / 3), 4 / 3))


def _cell(
    image: Pixels, shown: LabelledBoxes, label_map: LabelMap, width: int, height: int
) -> Image.Image:
    """The image resized to fit a cell and centred in it; boxes are drawn sharp, after resizing."""
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    resized = np.asarray(Image.fromarray(image).resize(inner, Image.Resampling.LANCZOS))
    boxes = shown.scaled(inner[0] / image.shape[1], inner[1] / image.shape[0])
    drawn = draw_boxes(resized, boxes, label_map, text_height=width / 26)
    cell = Image.new("RGB", (width, height), PANEL)
    cell.paste(Image.fromarray(drawn), ((width - inner[0]) // 2, (height - inner[1]) // 2))
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
        pen.rectangle((x, y, x + 22, y + 22), fill=label_color(label))
        pen.text((x + 32, y + 11), name, font=font, fill=INK, anchor="lm")
        x += width
