"""Pictures of detections.

N boxes of one image, (x1, y1, x2, y2) in its pixels; images are (H, W, 3) uint8 RGB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.drawing import Rectangle, class_color, text_font, write_tag
from tasks.images import Pixels
from tasks.labels import LabelMap
from tasks.outcomes import LOOKS, MEANINGS, Look, Outcome, draw_outline
from tasks.picture_grid import CELL_TEXT, Draw, LegendEntry, write_grid, write_words
from tasks.tags import place_tag

URGENCY = (Outcome.IGNORED, Outcome.RIGHT, Outcome.MISSED, Outcome.WRONG)
"""Outcomes from the back to the front."""


@dataclass(frozen=True)
class LabelledBoxes:
    """N boxes of one image with their labels, and their scores when they are predictions."""

    boxes: NDArray[np.floating]  # (N, 4)
    labels: NDArray[np.int64]  # (N,) contiguous
    scores: NDArray[np.floating] | None = None  # (N,) in 0–1
    crowd: NDArray[np.bool_] | None = None  # (N,) boxes around groups of objects
    outcomes: Sequence[Outcome] | None = None  # N; they are drawn instead of the classes

    def text(self, index: int, label_map: LabelMap) -> str:
        """Return the text beside a box: its class, with the score or the word crowd."""
        name = label_map.names[int(self.labels[index])]
        if self.scores is not None:
            return f"{name} {self.scores[index]:.2f}"
        is_crowd = self.crowd is not None and self.crowd[index]
        return f"{name} (crowd)" if is_crowd else name

    def look(self, index: int, label_map: LabelMap) -> Look:
        """Return the look of a box: by its outcome, or in the colour of its class."""
        if self.outcomes is not None:
            return LOOKS[self.outcomes[index]]
        return Look(class_color(label_map, int(self.labels[index])))

    def count(self, outcome: Outcome) -> int:
        """Count the boxes that have an outcome."""
        return 0 if self.outcomes is None else list(self.outcomes).count(outcome)

    def scaled(self, width: float, height: float) -> "LabelledBoxes":
        """Return the boxes on an image resized by these two factors."""
        return replace(self, boxes=self.boxes * np.array([width, height, width, height]))


@dataclass(frozen=True)
class PicturedImage:
    """An image with its objects and detections."""

    name: str
    pixels: Pixels
    truth: LabelledBoxes
    predictions: LabelledBoxes
    words: str = ""
    """Written into the image if there are no predictions."""

    def __str__(self) -> str:
        """The name, with the outcomes of the boxes."""
        right = self.predictions.count(Outcome.RIGHT)
        wrong = self.predictions.count(Outcome.WRONG)
        missed = self.truth.count(Outcome.MISSED)
        return f"{self.name}: {right} right, {wrong} wrong, {missed} missed"


def draw_boxes(
    image: Pixels,
    shown: LabelledBoxes,
    label_map: LabelMap,
    *,
    text_height: float | None = None,
) -> Pixels:
    """Draw outlined boxes and their labels into a copy of the image.

    A label that would hide small boxes or other labels is left out. `text_height` is in pixels and
    the lines follow it; None takes it from the image's size.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture, "RGBA")
    size = text_height or max(10.0, (picture.width * picture.height) ** 0.5 / 32)
    order = _back_to_front(shown)
    for index in order:
        corners = _pixels_of(shown.boxes[index])
        draw_outline(pen, corners, shown.look(index, label_map), max(1, round(size / 6)))
    font = text_font(max(8, round(0.8 * size)), bold=True)
    taken: list[Rectangle] = []
    for index in reversed(order):  # the most important ones get room first
        text = shown.text(index, label_map)
        extent = (font.getlength(text) + 0.5 * size, 1.1 * size)
        patch = place_tag(shown.boxes[index], extent, picture.size, shown.boxes, taken)
        if patch is not None:
            write_tag(pen, patch, text, font, shown.look(index, label_map).color)
            taken.append(patch)
    return np.asarray(picture)


def predictions_grid(
    images: Sequence[PicturedImage],
    label_map: LabelMap,
    path: str | Path,
    *,
    note: str = "",
    across: int = 3,
) -> None:
    """Write a picture with each image twice, ground truth beside predictions, `across` in a row.

    `note` is written after the heading, for instance which predictions are shown. The boxes have
    outcomes. Raises UserError without images.
    """

    def draw_truth(index: int, pixels: Pixels) -> Pixels:
        return _drawn_into(pixels, images[index], images[index].truth, label_map)

    def draw_predictions(index: int, pixels: Pixels) -> Pixels:
        shown = images[index].predictions
        if not len(shown.boxes) and images[index].words:
            return write_words(pixels, images[index].words)
        return _drawn_into(pixels, images[index], shown, label_map)

    columns: list[tuple[str, Draw]] = [
        ("ground truth", draw_truth),
        ("predictions", draw_predictions),
    ]
    pixels = [image.pixels for image in images]
    names = [str(image) for image in images]
    legend = outcome_legend(
        [boxes for image in images for boxes in (image.truth, image.predictions)]
    )
    write_grid(pixels, names, columns, legend, path, note=note, across=across)


def outcome_legend(shown: Sequence[LabelledBoxes]) -> list[LegendEntry]:
    """Explain the lines of boxes; of ignored ones only if there are some."""
    outcomes = [Outcome.RIGHT, Outcome.WRONG, Outcome.MISSED]
    if any(boxes.count(Outcome.IGNORED) for boxes in shown):
        outcomes.append(Outcome.IGNORED)
    return [LegendEntry(MEANINGS[each], LOOKS[each], filled=False) for each in outcomes]


def _drawn_into(
    pixels: Pixels, image: PicturedImage, boxes: LabelledBoxes, label_map: LabelMap
) -> Pixels:
    """Draw an image's boxes into its resized pixels."""
    height, width = image.pixels.shape[:2]
    scaled = boxes.scaled(pixels.shape[1] / width, pixels.shape[0] / height)
    return draw_boxes(pixels, scaled, label_map, text_height=CELL_TEXT)


def _back_to_front(shown: LabelledBoxes) -> list[int]:
    """Return the drawing order: by outcome; predictions by rising score, ground truth by falling
    area.
    """
    if shown.scores is not None:
        rank = shown.scores
    else:
        rank = -(shown.boxes[:, 2:] - shown.boxes[:, :2]).prod(axis=1)
    order: list[int] = np.argsort(rank, kind="stable").tolist()
    if shown.outcomes is None:
        return order
    urgency = [URGENCY.index(outcome) for outcome in shown.outcomes]
    return sorted(order, key=urgency.__getitem__)


def _pixels_of(box: NDArray[np.floating]) -> tuple[int, int, int, int]:
    """Return the first and the last pixels of a box, (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)
