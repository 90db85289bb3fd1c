"""Pictures of detections.

N boxes of one image, (x1, y1, x2, y2) in its pixels; images are (H, W, 3) uint8 RGB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.drawing import (
    CELL_TEXT,
    Color,
    Draw,
    Rectangle,
    class_color,
    pairs_grid,
    text_font,
    write_tag,
)
from tasks.images import Pixels
from tasks.labels import LabelMap


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
        color = class_color(label_map, int(shown.labels[index]))
        _outline(pen, shown.boxes[index], color, max(1, round(size / 6)))
    font = text_font(max(8, round(0.8 * size)), bold=True)
    taken: list[Rectangle] = []
    for index in reversed(order):  # the best find room first
        text = shown.text(index, label_map)
        width = font.getlength(text) + 0.5 * size
        height = 1.1 * size
        patch = _place(shown.boxes[index], width, height, picture.size, taken)
        if _hidden_area(patch, taken) < 0.1 * width * height:
            write_tag(pen, patch, text, font, class_color(label_map, int(shown.labels[index])))
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

    def draw(shown: Sequence[LabelledBoxes]) -> Draw:
        def draw_one(index: int, pixels: Pixels) -> Pixels:
            height, width = images[index].shape[:2]
            boxes = shown[index].scaled(pixels.shape[1] / width, pixels.shape[0] / height)
            return draw_boxes(pixels, boxes, label_map, text_height=CELL_TEXT)

        return draw_one

    drawn = [boxes.labels for boxes in (*truths, *predictions)]
    labels = np.unique(np.concatenate([np.zeros(0, np.int64), *drawn])).tolist()
    sides = (draw(truths), draw(predictions))
    pairs_grid(images, sides, labels, label_map, path, note=note, across=across)


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
