"""The best and the worst images of an evaluation, as small JPEGs inside the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset
from tasks.images import Exif, Pixels
from tasks.outcomes import LOOKS, MEANINGS, Outcome
from tasks.plots import LabelledBoxes, draw_boxes
from tasks.report.images import pair_figure, read_or_blank, thumbnail
from tasks.report.instances.analysis import Analysis
from tasks.report.page import css_color, paragraph

SHOWN = 6  # images of the best, and of the worst
SIDE = 520  # pixels of an image's longer side
TEXT_HEIGHT = 14  # of the names in an image
Summary = Mapping[str, Any]  # an image's `tp`, `fp`, `fn` and `f1`


def extremes(images: Mapping[int, Summary]) -> tuple[list[int], list[int]]:
    """Rank images by F1 and return the ids of the worst and of the best.

    Among equal F1, the worst are those with most errors, the best those with most objects. Images
    with neither objects nor detections are neither, and none is both.
    """
    counted: dict[int, Summary] = {}
    for image, summary in images.items():
        if summary["tp"] + summary["fp"] + summary["fn"]:
            counted[image] = summary

    def badness(image: int) -> tuple[float, int, int]:
        return float(counted[image]["f1"]), -_errors(counted[image]), image

    def goodness(image: int) -> tuple[float, int, int]:
        return -float(counted[image]["f1"]), -int(counted[image]["tp"]), image

    flawed = [image for image, summary in counted.items() if _errors(summary)]
    worst = sorted(flawed, key=badness)[:SHOWN]
    rest = [image for image in counted if counted[image]["tp"] and image not in worst]
    return worst, sorted(rest, key=goodness)[:SHOWN]


@dataclass(frozen=True)
class Pictures:
    """Draws images of a data set with what was found in them at the operating points."""

    dataset: CocoDataset
    analysis: Analysis
    exif: Exif

    def gallery(self, images: Sequence[int]) -> str:
        """Show the images of these ids: ground truth beside detections, drawn by outcome."""
        if not images:
            return paragraph("There is none.")
        figures = "".join(self._figure(image) for image in images)
        return f'<div class="pictures">{figures}</div>'

    def truth(self, image_id: int) -> LabelledBoxes:
        """The objects of an image."""
        rows = self.dataset.objects(image_id - 1)
        return LabelledBoxes(
            to_corners(self.dataset.boxes[rows]),
            self.dataset.labels[rows],
            crowd=self.dataset.crowd[rows],
            outcomes=self.analysis.of_objects[rows],
        )

    def predicted(self, image_id: int) -> LabelledBoxes:
        """The detections of an image that its classes' thresholds keep."""
        used = self.analysis.used
        rows = np.flatnonzero(used.image_ids == image_id)
        outcomes = [self.analysis.of_detections[row] for row in rows.tolist()]
        boxes = to_corners(used.boxes[rows])
        return LabelledBoxes(boxes, used.labels[rows], used.scores[rows], outcomes=outcomes)

    def read(self, image_id: int) -> tuple[Pixels, str]:
        """An image, or a blank of its shape with why it cannot be read."""
        height, width = self.dataset.sizes[image_id - 1].tolist()
        return read_or_blank(self.dataset.image_path(image_id - 1), self.exif, (height, width))

    def _figure(self, image_id: int) -> str:
        """An image twice, with its name and counts below."""
        pixels, problem = self.read(image_id)
        truth = self.truth(image_id)
        predicted = self.predicted(image_id)
        height, width = self.dataset.sizes[image_id - 1].tolist()
        scale = SIDE / max(height, width)
        pictures: list[tuple[str, Pixels]] = []
        for heading, boxes in (("ground truth", truth), ("detections", predicted)):
            small = thumbnail(pixels, SIDE)
            drawn = boxes.scaled(scale, scale)
            label_map = self.dataset.label_map
            picture = draw_boxes(small, drawn, label_map, text_height=TEXT_HEIGHT)
            pictures.append((heading, picture))
        counts = [self._counts(image_id, truth, predicted)]
        return pair_figure(str(self.dataset.file_names[image_id - 1]), pictures, counts, problem)

    def _counts(self, image_id: int, truth: LabelledBoxes, predicted: LabelledBoxes) -> str:
        """How many boxes are right, wrong and missed, the last two by class."""
        summary = self.analysis.images[image_id]
        wrong = self._by_class(predicted, Outcome.WRONG)
        missed = self._by_class(truth, Outcome.MISSED)
        parts = [f"{summary['tp']} right", f"{summary['fp']} wrong{wrong}"]
        parts += [f"{summary['fn']} missed{missed}", f"F1 {100 * summary['f1']:.0f}"]
        return " · ".join(parts)

    def _by_class(self, boxes: LabelledBoxes, outcome: Outcome) -> str:
        """The classes of the boxes of an outcome, the most frequent first."""
        assert boxes.outcomes is not None
        pairs = zip(boxes.labels.tolist(), boxes.outcomes, strict=True)
        counts = Counter(label for label, own in pairs if own is outcome)
        names = self.dataset.label_map.names
        listed = ", ".join(f"{names[label]} {count}" for label, count in counts.most_common())
        return f" ({listed})" if listed else ""


def outcome_key() -> str:
    """Say what the lines of boxes mean, as HTML."""
    items = ""
    for outcome, text in MEANINGS.items():
        look = LOOKS[outcome]
        style = f"border-style:{look.line};border-color:{css_color(look.color)}"
        items += f'<li><i style="{style}"></i>{escape(text)}</li>'
    return f'<ul class="outcomes">{items}</ul>'


def _errors(summary: Summary) -> int:
    return int(summary["fp"] + summary["fn"])
