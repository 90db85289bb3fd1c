"""Sections of a report with the scores of a classifier, as HTML. K classes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from tasks.labels import LabelMap
from tasks.report.axes import Axes
from tasks.report.charts import Series, interval_mark, line_chart, matrix_chart
from tasks.report.page import Cell, paragraph, percent, span, table, tiles
from tasks.report.tables import ConfidenceBin, Confused, confusions_table, reliability
from tasks.scoring.evaluation import MOST_CLASSES
from tasks.scoring.proportions import wilson_interval
from tasks.scoring.top_k import (
    RANKS,
    ClassResults,
    calibration,
    class_accuracies,
    confusion,
    most_confused,
    score_classes,
)

LISTED = 25  # confusions
WORST = 30  # classes that are listed where there are many


@dataclass(frozen=True)
class ClassRow:
    """A class with its images and predictions."""

    name: str
    images: int
    right: int
    predicted: int
    """Number of images of any class that are predicted as this one."""
    taken_for: str
    """The most frequent wrong class of its images, with their number; empty without one."""

    @property
    def accuracy(self) -> float:
        """Share of its images that are right."""
        return self.right / self.images if self.images else math.nan

    @property
    def precision(self) -> float:
        """Share of the images predicted as this class that are of it."""
        return self.right / self.predicted if self.predicted else math.nan


def headline(results: ClassResults, label_map: LabelMap) -> str:
    """Show the numbers to know first."""
    scores = score_classes(results, label_map)
    images = len(results)
    entries = [("top 1", percent(scores["top1"]), _interval(results, 1))]
    if "top5" in scores:
        entries.append(("top 5", percent(scores["top5"]), _interval(results, RANKS)))
    entries += [
        ("mean over classes", percent(scores["mean_class"]), "of their top 1"),
        ("ECE", percent(scores["calibration_error"]), "calibration error"),
        ("wrong", str(int((~results.right()).sum())), f"of {images} images"),
    ]
    note = "Times 100. Below top 1 and top 5 is the 95 % interval over images (Wilson's)."
    return tiles(entries) + paragraph(note)


def _interval(results: ClassResults, ranks: int) -> str:
    return span(*wilson_interval(int(results.right(ranks).sum()), len(results)))


def classes_section(results: ClassResults, label_map: LabelMap) -> str:
    """Show top 1 of each class, the worst first; of many classes the worst alone, and a curve."""
    rows = sorted(_class_rows(results, label_map), key=_worst_first)
    note = "95 % intervals over the images of a class (Wilson's); the worst classes come first."
    curve = ""
    if len(rows) > MOST_CLASSES:
        scored = [row for row in rows if row.images]
        note += f" These are the worst {WORST} of {len(rows)}; evaluation.json has all."
        curve = f'<div class="grid">{_curve(scored)}</div>' if scored else ""
        rows = scored[:WORST]
    lines = [(escape(row.name), _class_cells(row)) for row in rows]
    head = ("class", "images", "top 1", "", "95 % interval", "precision", "most often taken for")
    return curve + paragraph(note) + table(head, lines, tall=True)


def _class_rows(results: ClassResults, label_map: LabelMap) -> Iterator[ClassRow]:
    """Every class in the order of labels."""
    classes = label_map.num_classes
    images = np.bincount(results.labels, minlength=classes)
    right = np.bincount(results.labels[results.right()], minlength=classes)
    predicted = np.bincount(results.predicted, minlength=classes)
    taken_for: dict[int, str] = {}
    for true, other, count in most_confused(results).tolist():
        taken_for.setdefault(true, f"{label_map.names[other]} ({count})")
    counts = zip(images.tolist(), right.tolist(), predicted.tolist(), strict=True)
    for label, (of_class, found, taken) in enumerate(counts):
        confused = taken_for.get(label, "")
        yield ClassRow(label_map.names[label], of_class, found, taken, confused)


def _worst_first(row: ClassRow) -> tuple[bool, float, int]:
    """Classes by top 1, of equal ones the largest first; those without images come last."""
    return not row.images, row.accuracy if row.images else 0.0, -row.images


def _class_cells(row: ClassRow) -> tuple[str | Cell, ...]:
    low, high = wilson_interval(row.right, row.images)
    return (
        str(row.images),
        percent(row.accuracy),
        Cell(interval_mark(row.accuracy, low, high, 1.0)),
        span(low, high),
        percent(row.precision),
        Cell(escape(row.taken_for), text=True),
    )


def _curve(rows: list[ClassRow]) -> str:
    """Top 1 of the classes, from the worst to the best."""
    points = [(place, 100 * row.accuracy) for place, row in enumerate(rows, start=1)]
    axes = Axes((0, len(rows)), (0, 100), "classes, from the worst to the best", "top 1")
    title = f"Top 1 of the {len(rows)} classes with images"
    return line_chart(title, [Series("", points, "var(--s0)")], axes)


def confusion_section(results: ClassResults, label_map: LabelMap) -> str:
    """Show which classes are taken for which, as a matrix where classes are few."""
    confused = confusions_table(_confusions(results, label_map))
    frequent = f"<h3>Most frequent confusions</h3>{confused}"
    if label_map.num_classes > MOST_CLASSES:
        return frequent
    counts = confusion(results, label_map.num_classes).tolist()
    chart = matrix_chart("Images by true and predicted class", label_map.names, counts)
    note = (
        "Rows are true classes, columns predicted ones. A right cell is as dark as its share of the"
        " row, a wrong one as the root of it. A mouse over a cell shows its names."
    )
    return paragraph(note) + chart + frequent


def _confusions(results: ClassResults, label_map: LabelMap) -> Iterator[Confused]:
    images = np.bincount(results.labels, minlength=label_map.num_classes)
    for true, predicted, count in most_confused(results)[:LISTED].tolist():
        share = count / int(images[true])
        yield Confused(label_map.names[true], label_map.names[predicted], count, share)


def calibration_section(results: ClassResults) -> str:
    """Show whether confidences are probabilities."""
    if not len(results):
        return paragraph("There are no images.")
    found = calibration(results)
    bins: list[ConfidenceBin] = []
    for place, count in enumerate(found.counts.tolist()):
        limits = found.edges[place : place + 2].tolist()
        part = ConfidenceBin(
            low=limits[0],
            high=limits[1],
            count=count,
            confidence=float(found.confidence[place]),
            right=float(found.accuracy[place]),
        )
        bins.append(part)
    note = (
        f"Expected calibration error {percent(found.error)}; the mean confidence is"
        f" {percent(float(results.confidences.mean()))}, top 1"
        f" {percent(float(results.right().mean()))}. On the dashed line a confidence is the chance"
        " of being right; darker bars contain more images."
    )
    title = "Top 1 by confidence"
    words = {"counted": "images", "confidence": "confidence", "right": "top 1"}
    return paragraph(note) + reliability(title, bins, **words)


def unused_classes(results: ClassResults, label_map: LabelMap) -> int:
    """Count the classes without images."""
    return int(np.isnan(class_accuracies(results, label_map.num_classes)).sum())
