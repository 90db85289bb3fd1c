"""The sections of a report that say how good labels of every pixel are, as HTML.  K classes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from tasks.drawing import Color, class_color
from tasks.report.charts import NUMBERED, interval_mark, matrix_chart
from tasks.report.page import Cell, paragraph, percent, span, swatch, table, tiles
from tasks.report.run import data_section
from tasks.report.segmentation.evaluated import Evaluated
from tasks.report.tables import Confused, confusions_table
from tasks.scoring.resampling import SAMPLES, Interval
from tasks.scoring.semantic import class_accuracies, class_ious, headline_scores

LISTED = 25  # confusions
TITLES = ("mIoU", "mIoU of those present", "pixel accuracy", "mean accuracy", "fwIoU")


@dataclass(frozen=True)
class ClassRow:
    """One class: its pixels, and how they are labelled."""

    name: str
    color: Color
    share: float
    """Share of all pixels."""
    iou: float
    interval: Interval
    samples: int
    """Bootstrap samples behind it: those that hold a pixel of the class."""
    accuracy: float
    precision: float
    """Share of what is labelled so that is right."""
    taken_for: str
    """The most frequent wrong class of its pixels, with their share times 100; empty without."""


def headline(evaluated: Evaluated) -> str:
    """Show the numbers to know first."""
    scores = headline_scores(evaluated.counts)
    intervals = evaluated.headline_intervals()
    entries = []
    for title, (name, value) in zip(TITLES, scores.items(), strict=True):
        entries.append((title, percent(float(value)), span(*intervals[name])))
    note = (
        "Times 100. Below each score is its 95 % interval over images"
        f" ({SAMPLES} bootstrap samples). mIoU leaves out the classes that are neither in the"
        " ground truth nor predicted (mmsegmentation's rule), the second one all that are not in"
        " the ground truth (detectron2's); fwIoU weighs classes by their pixels."
    )
    if evaluated.partial_samples:
        note += (
            f" {evaluated.partial_samples} of the samples hold no pixel of some class; their means"
            " are over the other classes, so that an interval may lie to one side of its score."
        )
    return tiles(entries) + paragraph(note)


def classes_section(evaluated: Evaluated) -> str:
    """Show the classes, the worst first."""
    rows = sorted(_class_rows(evaluated), key=_worst_first)
    lines = [(swatch(row.name, row.color), _class_cells(row)) for row in rows]
    head = (
        "class",
        "% of pixels",
        "IoU",
        "",
        "95 % interval",
        "samples",
        "accuracy",
        "precision",
        "most often taken for",
    )
    note = (
        f"Intervals over images, of those of {SAMPLES} bootstrap samples that hold a pixel of the"
        " class: fewer where few images have one. From a handful of images an interval is too"
        " narrow, and from a single one it says nothing. The worst classes come first, those"
        " without pixels last."
    )
    return paragraph(note) + table(head, lines, tall=True)


def _class_rows(evaluated: Evaluated) -> Iterator[ClassRow]:
    """Every class in the order of labels."""
    right, true, predicted = evaluated.counts
    ious = class_ious(evaluated.counts)
    accuracies = class_accuracies(evaluated.counts)
    intervals = evaluated.class_intervals()
    held = evaluated.held_samples
    total = max(int(true.sum()), 1)
    for label, name in enumerate(evaluated.label_map.names):
        found = int(predicted[label])
        yield ClassRow(
            name=name,
            color=class_color(evaluated.label_map, label),
            share=int(true[label]) / total,
            iou=float(ious[label]),
            interval=intervals[label],
            samples=int(held[label]),
            accuracy=float(accuracies[label]),
            precision=int(right[label]) / found if found else math.nan,
            taken_for=_taken_for(evaluated, label),
        )


def _taken_for(evaluated: Evaluated, label: int) -> str:
    """The wrong class that a class is labelled as most often."""
    wrong = evaluated.results.confusion[label].copy()
    total = int(wrong.sum())
    wrong[label] = 0
    other = int(wrong.argmax())
    if not wrong[other]:
        return ""
    return f"{evaluated.label_map.names[other]} ({percent(int(wrong[other]) / total)})"


def _worst_first(row: ClassRow) -> tuple[bool, float, float]:
    """Classes by IoU, of equal ones the largest first; those without any come last."""
    return math.isnan(row.iou), 0.0 if math.isnan(row.iou) else row.iou, -row.share


def _class_cells(row: ClassRow) -> tuple[str | Cell, ...]:
    return (
        percent(row.share, 2),
        percent(row.iou),
        Cell(interval_mark(row.iou, *row.interval, 1.0)),
        span(*row.interval),
        str(row.samples),
        percent(row.accuracy),
        percent(row.precision),
        Cell(escape(row.taken_for), text=True),
    )


def confusion_section(evaluated: Evaluated) -> str:
    """Show which classes are taken for which, as a matrix of those that are confused most."""
    names = evaluated.label_map.names
    confusion = evaluated.results.confusion
    shown = most_confused(confusion)
    chosen = [names[label] for label in shown]
    totals = confusion.sum(axis=1)[shown].tolist()
    title = "Pixels by true and predicted class, % of the true class"
    note = (
        "Rows are true classes, columns predicted ones; numbers are % of the row's pixels. A right"
        " cell is as dark as its share, a wrong one as the root of it. A mouse over a cell shows"
        " its names and pixels."
    )
    if len(shown) < len(names):
        note += f" These are the {len(shown)} of {len(names)} classes with most wrong pixels."
    chart = matrix_chart(title, chosen, confusion[np.ix_(shown, shown)].tolist(), totals)
    table_of_all = confusions_table(_confusions(confusion, names))
    return f"{paragraph(note)}{chart}<h3>Most frequent confusions, in pixels</h3>{table_of_all}"


def most_confused(confusion: NDArray[np.int64]) -> list[int]:
    """The labels, in order, of the NUMBERED classes with most wrong pixels, true or predicted."""
    wrong = confusion.sum(axis=1) + confusion.sum(axis=0) - 2 * confusion.diagonal()
    most: list[int] = np.argsort(-wrong, kind="stable")[:NUMBERED].tolist()
    return sorted(most)


def _confusions(confusion: NDArray[np.int64], names: tuple[str, ...]) -> Iterator[Confused]:
    """Pairs of different classes, those of most pixels first."""
    between = confusion.copy()
    np.fill_diagonal(between, 0)
    for place in np.argsort(-between, axis=None, kind="stable")[:LISTED].tolist():
        true, predicted = divmod(place, len(names))
        count = int(between[true, predicted])
        if count:
            share = count / int(confusion[true].sum())
            yield Confused(names[true], names[predicted], count, share)


def scored_data_section(evaluated: Evaluated) -> str:
    """Say what was scored on."""
    true = evaluated.counts[1]
    entries = [
        ("data", evaluated.data),
        ("images", str(len(evaluated.results))),
        ("labelled pixels", str(int(true.sum()))),
        ("classes", f"{len(true)}, {int((true == 0).sum())} without pixels"),
    ]
    return data_section(entries, evaluated.scored.notes)
