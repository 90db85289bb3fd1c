"""The sections of a report that show analyses, as HTML.  K classes."""

from collections.abc import Sequence
from html import escape

import numpy as np

from tasks.datasets.coco.dataset import CocoDataset
from tasks.plots import label_color
from tasks.report.charts import (
    Axes,
    Series,
    bar_chart,
    interval_mark,
    line_chart,
    reliability_chart,
)
from tasks.report.instances.analysis import RECALLS, Analysis, ClassReport
from tasks.report.page import Cell, facts, paragraph, percent, span, table, tiles

MANY = (
    12  # classes; above it, curves lose their own colours and the confusion matrix becomes a list
)
LISTED = 25  # confusions, and annotations to look at
UNIT = Axes((0, 1), (0, 1), "recall", "precision")
SIZES = (
    ("small", "APs", "ARs", "below 32²"),
    ("medium", "APm", "ARm", "32² to 96²"),
    ("large", "APl", "ARl", "above"),
)
TIDE = {
    "Cls": ("wrong class", "a good box with the wrong class"),
    "Loc": ("poor box", "the right class, but IoU from 0.1 to 0.5"),
    "Both": ("class and box", "the wrong class, and IoU from 0.1 to 0.5"),
    "Dupe": ("duplicate", "an object that another detection has found"),
    "Bkg": ("background", "no object there, IoU below 0.1"),
    "Miss": ("missed", "an object that no detection is near"),
}


def headline(analysis: Analysis) -> str:
    """The numbers to know first."""
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR100")
    entries = [
        (name, percent(analysis.scores[name]), span(*analysis.intervals[name])) for name in names
    ]
    f1 = [one.f1 for one in analysis.classes if one.objects]
    entries.append(
        ("mean F1", percent(float(np.mean(f1)) if f1 else np.nan), "at the best thresholds")
    )
    detections = int(analysis.calibration["num_detections"])
    error = analysis.calibration["ece"] if detections else np.nan
    entries.append(("ECE", percent(error), "calibration error"))
    note = (
        f"Times 100. Below each score is its 95 % interval over images ({analysis.samples}"
        " bootstrap samples)."
    )
    return tiles(entries) + paragraph(note)


def classes_section(analysis: Analysis) -> str:
    """AP by class with intervals, then by size."""
    limit = max([max(one.ap, one.interval[1]) for one in analysis.classes if one.objects] + [1e-9])
    rows = [
        (
            _swatch(label, one),
            (
                str(one.objects),
                percent(one.ap),
                Cell(interval_mark(one.ap, *one.interval, limit)),
                span(*one.interval),
                percent(one.ap50),
            ),
        )
        for label, one in _ordered(analysis)
    ]
    head = ("class", "objects", "AP", "", "95 % interval", "AP50")
    sizes = [
        (f"{name} ({square})", (*_score(analysis, precision), *_score(analysis, recall)))
        for name, precision, recall, square in SIZES
    ]
    size_head = ("size in pixels", "AP", "95 % interval", "AR100", "95 % interval")
    note = paragraph(
        f"Intervals over images, {analysis.class_samples} bootstrap samples for each class."
    )
    return note + table(head, rows, tall=True) + "<h3>By size</h3>" + table(size_head, sizes)


def curves_section(analysis: Analysis) -> str:
    """Precision against recall: mean over classes at several IoU, and each class at 0.50."""
    known = [label for label, one in enumerate(analysis.classes) if one.objects]
    if not known:
        return paragraph("No class has ground truth.")
    mean = np.maximum(analysis.precision[:, :, known], 0).mean(axis=2)  # (10, 101)
    means = [
        Series("IoU 0.50", _points(mean[0]), "var(--s0)"),
        Series("IoU 0.75", _points(mean[5]), "var(--s1)"),
        Series("mean of 0.50 to 0.95", _points(mean.mean(axis=0)), "var(--s2)", dashed=True),
    ]
    few = len(known) <= MANY
    own = [
        (
            Series(
                analysis.classes[label].name,
                _points(analysis.precision[0, :, label]),
                _color(label),
                1.6,
            )
            if few
            else Series("", _points(analysis.precision[0, :, label]), "var(--soft)", 0.5)
        )
        for label in known
    ]
    if not few:
        own.append(Series("mean of all classes", _points(mean[0]), "var(--s0)"))
    charts = line_chart("Mean over classes", means, UNIT) + line_chart(
        "Each class at IoU 0.50", own, UNIT
    )
    return f'<div class="grid">{charts}</div>'


def operating_section(analysis: Analysis) -> str:
    """The threshold of each class's best F1, and what it gives."""
    rows = [
        (
            _swatch(label, one),
            (
                "n/a" if np.isnan(one.threshold) else f"{one.threshold:.2f}",
                percent(one.f1),
                percent(one.precision),
                percent(one.recall),
                str(one.right),
                str(one.wrong),
                str(one.missed),
            ),
        )
        for label, one in _ordered(analysis)
    ]
    note = (
        "The score threshold at which a class's F1 is highest (IoU 0.50), and what a detector used"
        " so does. It is chosen on these very images, so expect a little less on others. A class"
        " that has none takes the median."
    )
    head = ("class", "threshold", "F1", "precision", "recall", "right", "wrong", "missed")
    return paragraph(note) + table(head, rows, tall=True)


def errors_section(analysis: Analysis) -> str:
    """TIDE's kinds of error by the AP50 that mending each would add."""
    gains, counts = analysis.tide["delta_ap"], analysis.tide["counts"]
    kinds = sorted(TIDE, key=lambda kind: -gains[kind])
    bars = [(TIDE[kind][0], gains[kind], f"+{percent(gains[kind])}") for kind in kinds]
    chart = bar_chart("AP50 that mending each kind of error would add", bars, "points of AP50")
    rows = [
        (
            TIDE[kind][0],
            (Cell(escape(TIDE[kind][1]), text=True), str(counts[kind]), f"+{percent(gains[kind])}"),
        )
        for kind in kinds
    ]
    note = (
        "TIDE (Bolya et al. 2020) on all detections, those with low scores too, which is why counts"
        " are high."
    )
    head = ("kind", "what it is", "count", "AP50")
    return paragraph(note) + f'<div class="grid">{chart}<div>{table(head, rows)}</div></div>'


def confusion_section(analysis: Analysis) -> str:
    """True against found classes at the operating points; a list of the most frequent where classes
    are many.
    """
    note = paragraph(
        "At the operating points, IoU 0.50 whatever the class. Background: no object, or none"
        " found."
    )
    names = [one.name for one in analysis.classes]
    if len(names) > MANY:
        return note + _most_confused(analysis.confusion, names)
    matrix = analysis.confusion
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    rows = [
        (
            escape(name),
            [
                Cell(str(count) if count else "", heat=share)
                for count, share in zip(*both, strict=True)
            ],
        )
        for name, *both in zip((*names, "background"), matrix, shares, strict=True)
    ]
    return note + table(("true \\ found", *names, "background"), rows)


def calibration_section(analysis: Analysis) -> str:
    """Whether scores are probabilities: precision against score, and where detections lie."""
    total = int(analysis.calibration["num_detections"])
    if not total:
        return paragraph("There are no detections.")
    bins = [
        (one["bin_lower"], one["bin_upper"], one["avg_accuracy"], one["count"] / total)
        for one in analysis.calibration["bins"]
    ]
    chart = reliability_chart("Precision of detections by score", bins, "score", "precision")
    rows = [
        (
            f"{one['bin_lower']:.1f} to {one['bin_upper']:.1f}",
            (
                str(one["count"]),
                *_bin(one["avg_confidence"], one["count"]),
                *_bin(one["avg_accuracy"], one["count"]),
            ),
        )
        for one in analysis.calibration["bins"]
    ]
    errors = (
        f"Expected calibration error {percent(analysis.calibration['ece'])}, largest"
        f" {percent(_mce(analysis))}."
    )
    note = (
        f"{errors} On the dashed line a score is the chance of being right (IoU 0.50); stronger"
        " bars hold more."
    )
    head = ("score", "detections", "mean score", "precision")
    return paragraph(note) + f'<div class="grid">{chart}<div>{table(head, rows)}</div></div>'


def data_section(dataset: CocoDataset, analysis: Analysis) -> str:
    """What was scored on, and annotations that confident detections contradict."""
    areas = dataset.areas[~dataset.crowd]
    small, medium = int((areas < 32**2).sum()), int(((areas >= 32**2) & (areas < 96**2)).sum())
    entries = [
        ("annotations", str(dataset.path)),
        (
            "images",
            (
                f"{len(dataset)}, {int((np.diff(dataset.first) == 0).sum())} of them without"
                " annotations"
            ),
        ),
        (
            "objects",
            f"{len(areas)}: {small} small, {medium} medium, {len(areas) - small - medium} large",
        ),
        ("crowds", str(int(dataset.crowd.sum()))),
        (
            "classes",
            (
                f"{len(analysis.classes)}, {sum(one.objects == 0 for one in analysis.classes)}"
                " without objects"
            ),
        ),
        *(("note", text) for text in dataset.warnings),
    ]
    return facts(entries) + _suspects(dataset, analysis)


def _suspects(dataset: CocoDataset, analysis: Analysis) -> str:
    if not analysis.suspects:
        return ""
    rows = [
        (
            escape(str(dataset.file_names[one["image_id"] - 1])),
            (
                Cell(escape(str(one["type"]).replace("_", " ")), text=True),
                Cell(escape(str(one.get("gt_category") or "nothing")), text=True),
                Cell(escape(str(one["dt_category"])), text=True),
                f"{one['dt_score']:.2f}",
            ),
        )
        for one in analysis.suspects[:LISTED]
    ]
    count = f"{min(LISTED, len(rows))} of {len(analysis.suspects)}"
    note = (
        f"Detections of high score that the ground truth contradicts ({count}): the detector errs,"
        " or the labels do."
    )
    head = ("image", "what", "annotated", "found", "score")
    return "<h3>Annotations to look at</h3>" + paragraph(note) + table(head, rows, tall=True)


def _most_confused(
    matrix: np.ndarray[tuple[int, ...], np.dtype[np.int64]], names: Sequence[str]
) -> str:
    """Pairs of different classes by count, with their share of the true class."""
    between = matrix[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    order = [
        place
        for place in np.argsort(-between, axis=None, kind="stable")[:LISTED]
        if between.flat[place]
    ]
    if not order:
        return paragraph("No class is taken for another.")
    rows = []
    for place in order:
        true, found = divmod(int(place), len(names))
        share = between[true, found] / matrix[true].sum()
        rows.append(
            (
                escape(names[true]),
                (Cell(escape(names[found]), text=True), str(between[true, found]), percent(share)),
            )
        )
    return table(("true class", "taken for", "count", "% of the class"), rows, tall=True)


def _ordered(analysis: Analysis) -> list[tuple[int, ClassReport]]:
    """Labels and classes, the best AP first, those without ground truth last."""
    return sorted(
        enumerate(analysis.classes),
        key=lambda pair: (not pair[1].objects, -np.nan_to_num(pair[1].ap), pair[0]),
    )


def _swatch(label: int, one: ClassReport) -> str:
    return f'<i style="background:{_color(label)}"></i>{escape(one.name)}'


def _color(label: int) -> str:
    red, green, blue = label_color(label)
    return f"rgb({red},{green},{blue})"


def _points(
    precision: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> list[tuple[float, float]]:
    return list(zip(RECALLS.tolist(), precision.tolist(), strict=True))


def _score(analysis: Analysis, name: str) -> tuple[str, str]:
    return percent(analysis.scores[name]), span(*analysis.intervals[name])


def _bin(value: float, count: int) -> tuple[str]:
    return (percent(value) if count else "",)


def _mce(analysis: Analysis) -> float:
    return float(analysis.calibration["mce"])
