"""The sections of a report that say what is wrong with detections, and what the data are, as HTML.

K classes.
"""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.report.charts import bar_chart
from tasks.report.instances.analysis import Analysis
from tasks.report.instances.sections import MANY
from tasks.report.page import Cell, paragraph, percent, table
from tasks.report.run import data_section
from tasks.report.tables import Confused, confusions_table
from tasks.scoring.instances import crowded_note

LISTED = 25  # confusions
TIDE = {  # kind of error to its name and what it is
    "Cls": ("wrong class", "a good box with the wrong class"),
    "Loc": ("poor box", "the right class, but IoU from 0.1 to 0.5"),
    "Both": ("class and box", "the wrong class, and IoU from 0.1 to 0.5"),
    "Dupe": ("duplicate", "an object that another detection has found"),
    "Bkg": ("background", "no object there, IoU below 0.1"),
    "Miss": ("missed", "an object that no detection is near"),
}


def errors_section(analysis: Analysis) -> str:
    """Show TIDE's kinds of error by the AP50 gained by fixing each."""
    gains = analysis.tide["delta_ap"]
    counts = analysis.tide["counts"]
    bars = []
    rows = []
    for kind in sorted(TIDE, key=lambda kind: -gains[kind]):
        name, explanation = TIDE[kind]
        gain = f"+{percent(gains[kind])}"
        bars.append((name, gains[kind], gain))
        rows.append((name, (Cell(escape(explanation), text=True), str(counts[kind]), gain)))
    chart = bar_chart("AP50 gained by fixing each kind of error", bars, "points of AP50")
    note = (
        "TIDE (Bolya et al. 2020) on all detections, those with low scores too, which is why counts"
        " are high."
    )
    head = ("kind", "what it is", "count", "AP50")
    return paragraph(note) + f'<div class="grid">{chart}<div>{table(head, rows)}</div></div>'


def confusion_section(analysis: Analysis) -> str:
    """Show true against found classes at the operating points.

    Where classes are many, it is a list of the most frequent confusions.
    """
    note = paragraph(
        "At the operating points, IoU 0.50 whatever the class. Background: no object, or none"
        " found."
    )
    names = [report.name for report in analysis.classes]
    if len(names) > MANY:
        return note + confusions_table(_most_confused(analysis.confusion, names))
    matrix = analysis.confusion
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    rows = []
    for index, name in enumerate((*names, "background")):
        rows.append((escape(name), _heat_cells(matrix[index], shares[index])))
    return note + table(("true \\ found", *names, "background"), rows)


def _heat_cells(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> list[Cell]:
    """Counts, none written as nothing, coloured by their shares."""
    pairs = zip(counts, shares, strict=True)
    return [Cell(str(count) if count else "", heat=share) for count, share in pairs]


def _most_confused(matrix: NDArray[np.int64], names: Sequence[str]) -> Iterator[Confused]:
    """Pairs of different classes: the most frequent first, then those of most of a class."""
    between = matrix[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    shares = between / np.maximum(matrix[:-1].sum(axis=1, keepdims=True), 1)
    most = np.lexsort((-shares.ravel(), -between.ravel()))[:LISTED]
    for index in most.tolist():
        true, predicted = divmod(index, len(names))
        count = int(between[true, predicted])
        if count:
            yield Confused(names[true], names[predicted], count, count / matrix[true].sum())


def detection_data_section(dataset: CocoDataset, analysis: Analysis) -> str:
    """Say what was scored on."""
    areas = dataset.areas[~dataset.crowd]
    small = int((areas < 32**2).sum())
    large = int((areas >= 96**2).sum())
    medium = len(areas) - small - large
    empty = int((np.diff(dataset.first) == 0).sum())
    unused = sum(report.objects == 0 for report in analysis.classes)
    entries = [
        ("annotations", str(dataset.path)),
        ("images", f"{len(dataset)}, {empty} of them without annotations"),
        ("objects", f"{len(areas)}: {small} small, {medium} medium, {large} large"),
        ("crowds", str(int(dataset.crowd.sum()))),
        ("classes", f"{len(analysis.classes)}, {unused} without objects"),
    ]
    notes = (*dataset.warnings, *crowded_note(dataset, analysis.limit))
    return data_section(entries, notes)
