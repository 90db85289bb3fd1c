"""Pictures of detections.  N boxes of one image, (x1, y1, x2, y2) in its pixels; images are (H, W,
3) uint8 RGB.
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
from tasks.labels import LabelMap

Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # x1, y1, x2, y2

# Ten that stand apart from each other and from photographs; further labels get hues a golden angle
# apart.
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
INK, GRAY, PANEL = (31, 35, 40), (110, 118, 129), (238, 240, 243)


@dataclass(frozen=True)
class LabelledBoxes:
    """N boxes of one image with their labels, and their scores when they are predictions."""

    boxes: NDArray[np.floating]  # (N, 4)
    labels: NDArray[np.int64]  # (N,) contiguous
    scores: NDArray[np.floating] | None = None  # (N,) in 0–1
    crowd: NDArray[np.bool_] | None = None  # (N,) boxes around groups that are not told apart

    def text(self, index: int, label_map: LabelMap) -> str:
        """What is written beside box `index`: its class, with the score or the word crowd."""
        name = label_map.names[int(self.labels[index])]
        if self.scores is not None:
            return f"{name} {self.scores[index]:.2f}"
        return f"{name} (crowd)" if self.crowd is not None and self.crowd[index] else name

    def scaled(self, width: float, height: float) -> "LabelledBoxes":
        """The boxes on an image resized by these two factors."""
        return replace(self, boxes=self.boxes * np.array([width, height, width, height]))


def label_color(label: int) -> Color:
    """The colour of a contiguous label, the same in every picture."""
    if label < len(VIVID):
        digits = VIVID[label].lstrip("#")
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    hue = (0.07 + 0.618033988749895 * label) % 1.0
    red, green, blue = colorsys.hls_to_rgb(hue, (0.45, 0.6, 0.7)[label % 3], (0.9, 0.65)[label % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_boxes(
    image: Pixels, found: LabelledBoxes, label_map: LabelMap, *, text_height: float | None = None
) -> Pixels:
    """A copy of the image with outlined boxes and their labels; a label that would hide others is
    left out.

    `text_height` is in pixels and the lines follow it; None takes it from the image's size.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture, "RGBA")
    size = text_height or max(10.0, (picture.width * picture.height) ** 0.5 / 32)
    order = _back_to_front(found)
    for index in order:
        _outline(
            pen, found.boxes[index], label_color(int(found.labels[index])), max(1, round(size / 6))
        )
    taken: list[Rectangle] = []
    for index in reversed(order):  # the best find room first
        font = _font(max(8, round(0.8 * size)), bold=True)
        text = found.text(index, label_map)
        width, height = font.getlength(text) + 0.5 * size, 1.1 * size
        patch = _place(found.boxes[index], width, height, picture.size, taken)
        if sum(_overlap(patch, other) for other in taken) < 0.1 * width * height:
            _write_tag(pen, patch, text, font, label_color(int(found.labels[index])))
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
    """Write a picture with each image twice, ground truth beside predictions, `across` pairs in a
    row.

    `note` is written after the heading, for instance which predictions are shown.
    """
    if not images:
        raise UserError("a picture of predictions needs at least one image, got none")
    across = min(across, len(images))
    cell_width, cell_height, margin, gap, head = 420, _cell_height(images, 420), 44, 6, 150
    pair_width, row_height = 2 * cell_width + gap, cell_height + 26
    rows = -(-len(images) // across)
    width = 2 * margin + across * pair_width + (across - 1) * margin
    page = Image.new("RGB", (width, head + rows * row_height + 70), "white")
    pen = ImageDraw.Draw(page)
    _write_heading(
        pen,
        note,
        [margin + column * (pair_width + margin) for column in range(across)],
        cell_width + gap,
    )
    for index, (image, truth, prediction) in enumerate(
        zip(images, truths, predictions, strict=True)
    ):
        left = margin + index % across * (pair_width + margin)
        top = head + index // across * row_height
        for offset, found in ((0, truth), (cell_width + gap, prediction)):
            page.paste(
                _cell(image, found, label_map, cell_width, cell_height), (left + offset, top)
            )
    shown = np.unique(np.concatenate([found.labels for found in (*truths, *predictions)])).tolist()
    _write_legend(pen, shown, label_map, (margin, head + rows * row_height + 12), width - margin)
    page.save(path)


@lru_cache(maxsize=64)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along and which knows most scripts' letters."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _back_to_front(found: LabelledBoxes) -> list[int]:
    """Order of drawing: predictions by rising score, ground truth from the largest box to the
    smallest.
    """
    if found.scores is not None:
        return [int(index) for index in np.argsort(found.scores, kind="stable")]
    areas = (found.boxes[:, 2] - found.boxes[:, 0]) * (found.boxes[:, 3] - found.boxes[:, 1])
    return [int(index) for index in np.argsort(-areas, kind="stable")]


def _outline(
    pen: ImageDraw.ImageDraw, box: NDArray[np.floating], color: Color, thickness: int
) -> None:
    """A box in its colour with a thin dark rim, which keeps it visible on any background."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    x2, y2 = max(x1, x2 - 1), max(y1, y2 - 1)  # the last pixel inside
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
    """A width x height patch inside the image, at the corner of the box where it covers least of
    those `taken`.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    corners = (
        (x1, y1 - height),
        (x1, y2),
        (x2 - width, y1 - height),
        (x2 - width, y2),
        (x1, y1),
        (x1, y2 - height),
    )
    places = []
    for left, top in corners:
        left = min(max(left, 0.0), max(0.0, image_size[0] - width))
        top = min(max(top, 0.0), max(0.0, image_size[1] - height))
        places.append((left, top, left + width, top + height))
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _overlap(one: Rectangle, other: Rectangle) -> float:
    """Area that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _cell_height(images: Sequence[Pixels], width: int) -> int:
    """Height of a cell of that width with the images' median aspect, kept between 2:3 and 4:3."""
    aspect = float(np.median([image.shape[0] / image.shape[1] for image in images]))
    return round(width * min(max(aspect, 2 / 3), 4 / 3))


def _cell(
    image: Pixels, found: LabelledBoxes, label_map: LabelMap, width: int, height: int
) -> Image.Image:
    """The image resized to fit a cell and centred in it; boxes are drawn after resizing, so stay
    sharp.
    """
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    resized = np.asarray(Image.fromarray(image).resize(inner, Image.Resampling.LANCZOS))
    drawn = draw_boxes(
        resized,
        found.scaled(inner[0] / image.shape[1], inner[1] / image.shape[0]),
        label_map,
        text_height=width / 26,
    )
    cell = Image.new("RGB", (width, height), PANEL)
    cell.paste(Image.fromarray(drawn), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return cell


def _write_heading(pen: ImageDraw.ImageDraw, note: str, lefts: Sequence[int], offset: int) -> None:
    """The title, its note, and the two headings above each column of pairs."""
    title = "Ground truth and predictions"
    pen.text((lefts[0], 62), title, font=_font(36, bold=True), fill=INK, anchor="ls")
    pen.text(
        (lefts[0] + _font(36, bold=True).getlength(title) + 24, 62),
        note,
        font=_font(24),
        fill=GRAY,
        anchor="ls",
    )
    for left in lefts:
        for shift, heading in ((0, "ground truth"), (offset, "predictions")):
            pen.text((left + shift, 134), heading, font=_font(24), fill=INK, anchor="ls")


def _write_legend(
    pen: ImageDraw.ImageDraw,
    labels: Sequence[int],
    label_map: LabelMap,
    start: tuple[int, int],
    right: int,
) -> None:
    """One line of colour patches with class names, as many as there is room for."""
    x, y = start
    for count, label in enumerate(labels):
        name = label_map.names[label]
        width = round(_font(22).getlength(name)) + 66
        if x + width > right - 110 and count < len(labels) - 1:
            pen.text(
                (x, y + 11),
                f"and {len(labels) - count} more",
                font=_font(22),
                fill=GRAY,
                anchor="lm",
            )
            return
        pen.rectangle((x, y, x + 22, y + 22), fill=label_color(label))
        pen.text((x + 32, y + 11), name, font=_font(22), fill=INK, anchor="lm")
        x += width
