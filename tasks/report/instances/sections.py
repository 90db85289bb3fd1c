"""The sections of a report that say how good detections are, as HTML.  K classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.drawing import label_color
from tasks.report.axes import Axes, Point
from tasks.report.charts import Series, interval_mark, line_chart
from tasks.report.instances.analysis import Analysis, ClassReport
from tasks.report.page import Cell, css_color, paragraph, percent, span, swatch, table, tiles
from tasks.report.tables import ConfidenceBin, reliability
from tasks.scoring.instance_samples import RECALLS

MANY = 12
"""Classes; above it, curves lose their own colours and the confusion matrix becomes a list."""
UNIT = Axes((0, 1), (0, 1), "recall", "precision")
LEARNT = 0.01
"""AP50 from which a detector has learnt something."""
SIZES = (
    ("small", "APs", "ARs", "below 32²"),
    ("medium", "APm", "ARm", "32² to 96²"),
    ("large", "APl", "ARl", "above"),
)
SPREAD = (
    ("a tenth", 10, "var(--s4)", True),
    ("a quarter", 25, "var(--s4)", False),
    ("half", 50, "var(--s0)", False),
    ("three quarters", 75, "var(--s2)", False),
    ("nine tenths", 90, "var(--s2)", True),
)
"""Name, percentile, colour and dashes of the curves of many classes."""
HEADLINE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR100")


def headline(analysis: Analysis) -> str:
    """Show the numbers to know first."""
    entries = [(_title(name, analysis), *_score(analysis, name)) for name in HEADLINE]
    f1 = [report.f1 for report in analysis.classes if report.objects]
    mean_f1 = float(np.mean(f1)) if f1 else np.nan
    entries.append(("mean F1", percent(mean_f1), "at the best thresholds"))
    detections = int(analysis.calibration["num_detections"])
    error = analysis.calibration["ece"] if detections else np.nan
    entries.append(("ECE", percent(error), "calibration error"))
    note = (
        f"Times 100. Below each score is its 95 % interval over images ({analysis.samples}"
        " bootstrap samples)."
    )
    if analysis.partial_samples:
        note += (
            f" {analysis.partial_samples} of the samples hold no object of some class; their means"
            " are over the other classes, so that an interval may lie to one side of its score."
        )
    return tiles(entries) + _nothing_learnt(analysis) + paragraph(note)


def _nothing_learnt(analysis: Analysis) -> str:
    """What to ask where next to nothing is found; empty otherwise."""
    if not analysis.scores["AP50"] < LEARNT:
        return ""
    return paragraph(
        f"Next to nothing is found: AP50 is below {percent(LEARNT, 0)}. Was the training long"
        " enough, does its loss fall, and do the boxes lie on the objects? backbones check"
        " shows them."
    )


def classes_section(analysis: Analysis) -> str:
    """Show AP by class with intervals, then by size."""
    rows = [
        (swatch(report.name, label_color(label)), _class_cells(report))
        for label, report in _ordered(analysis)
    ]
    head = ("class", "objects", "images", "AP", "", "95 % interval", "samples", "AP50")
    sizes = [
        (f"{name} ({square})", (*_score(analysis, precision), *_score(analysis, recall)))
        for name, precision, recall, square in SIZES
    ]
    recall = _title("AR100", analysis)
    size_head = ("size in pixels", "AP", "95 % interval", recall, "95 % interval")
    note = paragraph(
        f"Intervals over images, of those of {analysis.samples} bootstrap samples that hold an"
        " object of the class: fewer where few images have one. From a handful of images an"
        " interval is too narrow, and from a single one it says nothing. The worst classes come"
        " first, those without objects last."
    )
    return note + table(head, rows, tall=True) + "<h3>By size</h3>" + table(size_head, sizes)


def _title(name: str, analysis: Analysis) -> str:
    """A score's name, with the number of detections that were scored."""
    return f"AR{analysis.limit}" if name == "AR100" else name


def _class_cells(report: ClassReport) -> tuple[str | Cell, ...]:
    """A class's row."""
    return (
        str(report.objects),
        str(report.images),
        percent(report.ap),
        Cell(interval_mark(report.ap, *report.interval, 1.0)),
        span(*report.interval),
        str(report.samples) if report.objects else "",
        percent(report.ap50),
    )


def curves_section(analysis: Analysis) -> str:
    """Draw precision against recall: mean over classes at several IoU, and each class at 0.50."""
    known = [label for label, report in enumerate(analysis.classes) if report.objects]
    if not known:
        return paragraph("No class has ground truth.")
    mean = np.maximum(analysis.precision[:, :, known], 0).mean(axis=2)  # (10, 101)
    means = [
        Series("IoU 0.50", _points(mean[0]), "var(--s0)"),
        Series("IoU 0.75", _points(mean[5]), "var(--s1)"),
        Series("mean of 0.50 to 0.95", _points(mean.mean(axis=0)), "var(--s2)", dashed=True),
    ]
    if len(known) <= MANY:
        title = "Each class at IoU 0.50"
        curves = [_named_curve(analysis, label) for label in known]
    else:
        title = f"The {len(known)} classes at IoU 0.50: how many are below"
        curves = _spread(np.maximum(analysis.precision[0][:, known], 0))
    charts = line_chart("Mean over classes", means, UNIT)
    charts += line_chart(title, curves, UNIT)
    return f'<div class="grid">{charts}</div>'


def _named_curve(analysis: Analysis, label: int) -> Series:
    points = _points(analysis.precision[0, :, label])
    return Series(analysis.classes[label].name, points, css_color(label_color(label)), 1.6)


def _spread(precision: NDArray[np.float64]) -> list[Series]:
    """Curves below which a share of the classes lies at each recall, of precision (101, K)."""
    lines: list[Series] = []
    for name, percentile, color, dashed in SPREAD:
        values = np.percentile(precision, percentile, axis=1)
        lines.append(Series(name, _points(values), color, dashed=dashed))
    return lines


def operating_section(analysis: Analysis) -> str:
    """Show the threshold of each class's best F1, and what it gives."""
    rows = [
        (swatch(report.name, label_color(label)), _operating_cells(report))
        for label, report in _ordered(analysis)
    ]
    note = (
        "The score threshold at which a class's F1 is highest (IoU 0.50), and the detector's"
        " precision and recall at it. It is chosen on these very images, so expect a little less on"
        " others. Classes without a threshold use the median threshold. A threshold is a score from"
        " 0 to 1, as predict --score takes it; F1, precision and recall are times 100. Worst AP"
        " first."
    )
    head = ("class", "threshold", "F1", "precision", "recall", "right", "wrong", "missed")
    return paragraph(note) + table(head, rows, tall=True)


def _operating_cells(report: ClassReport) -> tuple[str, ...]:
    threshold = "n/a" if np.isnan(report.threshold) else f"{report.threshold:.2f}"
    return (
        threshold,
        percent(report.f1),
        percent(report.precision),
        percent(report.recall),
        str(report.right),
        str(report.wrong),
        str(report.missed),
    )


def calibration_section(analysis: Analysis) -> str:
    """Show whether scores are probabilities: precision against score, and where detections lie."""
    calibration = analysis.calibration
    if not int(calibration["num_detections"]):
        return paragraph("There are no detections.")
    bins = []
    for part in calibration["bins"]:
        limits = (part["bin_lower"], part["bin_upper"])
        found = (part["count"], part["avg_confidence"], part["avg_accuracy"])
        bins.append(ConfidenceBin(*limits, *found))
    title = "Precision of detections by score"
    words = {"counted": "detections", "confidence": "score", "right": "precision"}
    note = (
        f"Expected calibration error {percent(calibration['ece'])}, largest"
        f" {percent(float(calibration['mce']))}. On the dashed line a score is the chance of being"
        " right (IoU 0.50); darker bars contain more detections."
    )
    return paragraph(note) + reliability(title, bins, **words)


def _ordered(analysis: Analysis) -> list[tuple[int, ClassReport]]:
    """Labels and classes, the worst AP first, those without ground truth last."""

    def rank(pair: tuple[int, ClassReport]) -> tuple[bool, float, int]:
        label, report = pair
        return not report.objects, float(np.nan_to_num(report.ap)), label

    return sorted(enumerate(analysis.classes), key=rank)


def _points(precision: NDArray[np.float64]) -> Sequence[Point]:
    return list(zip(RECALLS.tolist(), precision.tolist(), strict=True))


def _score(analysis: Analysis, name: str) -> tuple[str, str]:
    """A score and its interval."""
    return percent(analysis.scores[name]), span(*analysis.intervals[name])
