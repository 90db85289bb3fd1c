"""What hotcoco says of detections beyond COCO's scores, gathered for a report.

K classes, N detections.  Numbers are 0–1; nan where the ground truth does not define one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.scoring.engines import SCORE_NAMES, hotcoco_evaluator, mean_defined
from tasks.scoring.results import DetectionResults

if TYPE_CHECKING:
    from hotcoco import COCOeval

Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)
RECALLS = np.linspace(0, 1, 101)  # COCO's


@dataclass(frozen=True)
class ClassReport:
    """One class: its AP, and how it does at the score threshold of its best F1 (IoU 0.50)."""

    name: str
    objects: int  # without crowds
    ap: float
    interval: Interval
    ap50: float
    threshold: float  # nan where no detection is right
    right: int  # detections at or above the threshold that found an object of the class
    wrong: int
    missed: int
    calibration_error: float

    @property
    def precision(self) -> float:
        """Share of the detections that are right."""
        detections = self.right + self.wrong
        return self.right / detections if detections else math.nan

    @property
    def recall(self) -> float:
        """Share of the objects that are found."""
        objects = self.right + self.missed
        return self.right / objects if objects else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if self.objects else math.nan


@dataclass(frozen=True)
class Analysis:
    """hotcoco's analyses of one set of detections."""

    scores: Mapping[str, float]
    """COCO's twelve numbers."""
    intervals: Mapping[str, Interval]
    """95 % bootstrap intervals over images, of the same names."""
    samples: int
    """Bootstrap samples behind each of `intervals`."""
    class_samples: int
    """Bootstrap samples behind the interval of a class."""
    classes: tuple[ClassReport, ...]
    precision: NDArray[np.float64]
    """(10 IoU thresholds, 101 recalls, K), -1 where a class has no ground truth."""
    tide: Mapping[str, Any]
    """`delta_ap` and `counts` by kind of error, over all detections."""
    calibration: Mapping[str, Any]
    """`bins`, `ece` and `mce`, over all detections."""
    used: DetectionResults
    """The detections at or above their class's threshold."""
    confusion: NDArray[np.int64]
    """(K + 1, K + 1) of `used`: rows are true classes, columns found ones, the last of each is
    background."""
    images: Mapping[int, Mapping[str, Any]]
    """Image id -> `tp`, `fp`, `fn` and `f1` of `used`."""
    suspects: tuple[Mapping[str, Any], ...]
    """Annotations that a confident detection contradicts, the most confident first."""


def analyse(dataset: CocoDataset, results: DetectionResults) -> Analysis:
    """Run hotcoco's analyses.

    They take seconds for thousands of detections, about a minute for 500,000 in 80 classes.
    """
    num_classes = dataset.label_map.num_classes
    evaluator = hotcoco_evaluator(dataset, results)
    nothing = hotcoco_evaluator(dataset, DetectionResults.empty())
    samples = bootstrap_samples(len(results), num_classes)
    summary = compare(nothing, evaluator, samples)
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])[:, :, :, 0, -1]
    thresholds = best_thresholds(precision[0], np.asarray(curves["scores"])[0, :, :, 0, -1])
    used = results.where(results.scores >= _filled(thresholds)[results.labels])
    in_use = hotcoco_evaluator(dataset, used)
    diagnosis = in_use.image_diagnostics(iou_thr=0.5)
    calibration = evaluator.calibration(n_bins=10, iou_threshold=0.5)
    scores = {name: known(summary["metrics_b"][name]) for name in SCORE_NAMES}
    intervals = {name: interval_of(summary, name) for name in SCORE_NAMES}
    counts = _count(dataset, used, diagnosis)
    reports = _class_reports(dataset, precision, thresholds, counts, calibration["per_category"])
    resamples = class_samples(num_classes)
    classes: list[ClassReport] = []
    for label, report in enumerate(reports):
        if report.objects:
            interval = class_interval(nothing, evaluator, label, resamples)
            report = replace(report, interval=interval)
        classes.append(report)
    return Analysis(
        scores=scores,
        intervals=intervals,
        samples=samples,
        class_samples=resamples,
        classes=tuple(classes),
        precision=precision,
        tide=evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1),
        calibration=calibration,
        used=used,
        confusion=np.asarray(in_use.confusion_matrix(iou_thr=0.5)["matrix"], dtype=np.int64),
        images=diagnosis["img_summary"],
        suspects=tuple(diagnosis["label_errors"]),
    )


def _class_reports(
    dataset: CocoDataset,
    precision: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    counts: NDArray[np.int64],
    calibration_errors: Mapping[str, float],
) -> list[ClassReport]:
    """The classes without their intervals; `counts` are (3, K) right, wrong and missed."""
    names = dataset.label_map.names
    objects = np.bincount(dataset.labels[~dataset.crowd], minlength=len(names))
    reports: list[ClassReport] = []
    for label, name in enumerate(names):
        report = ClassReport(
            name=name,
            objects=int(objects[label]),
            ap=mean_defined(precision[:, :, label]),
            interval=UNKNOWN,
            ap50=mean_defined(precision[0, :, label]),
            threshold=float(thresholds[label]),
            right=int(counts[0][label]),
            wrong=int(counts[1][label]),
            missed=int(counts[2][label]),
            calibration_error=float(calibration_errors.get(name, math.nan)),
        )
        reports.append(report)
    return reports


def _filled(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds (K,), the median in place of nan, 0.5 where there is none."""
    defined = thresholds[~np.isnan(thresholds)]
    stand_in = float(np.median(defined)) if defined.size else 0.5
    return np.where(np.isnan(thresholds), stand_in, thresholds)


def bootstrap_samples(detections: int, classes: int) -> int:
    """Choose the bootstrap samples for a data set.

    They are 500, fewer where they would take minutes, and 100 at least.
    """
    return max(100, min(500, 12_000 // (classes + detections // 1000)))


def class_samples(classes: int) -> int:
    """Choose the bootstrap samples for the interval of each class.

    They are 500, fewer where there are many classes, and 100 at least.
    """
    return max(100, min(500, 8_000 // classes))


def compare(first: "COCOeval", second: "COCOeval", samples: int) -> dict[str, Any]:
    """Compare two evaluators of the same images with hotcoco, paired, second minus first.

    Against an evaluator without detections, which scores 0 throughout, the difference is the score
    itself.
    """
    import hotcoco

    return hotcoco.compare(first, second, n_bootstrap=samples, seed=0)


def class_interval(first: "COCOeval", second: "COCOeval", label: int, samples: int) -> Interval:
    """Bootstrap the 95 % interval of the difference in one class's AP, second minus first."""
    comparison = compare(_of_class(first, label), _of_class(second, label), samples)
    return interval_of(comparison, "AP")


def best_thresholds(
    precision: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the scores (K,) at which F1 is highest on precision-recall curves (101, K).

    They are nan where nothing is found.
    """
    recall = RECALLS[:, None]
    positive = np.maximum(precision, 0)
    f1 = 2 * positive * recall / np.maximum(positive + recall, 1e-12)
    best = f1.argmax(axis=0)
    classes = np.arange(precision.shape[1])
    return np.where(f1[best, classes] > 0, scores[best, classes], np.nan)


def _of_class(evaluator: "COCOeval", label: int) -> "COCOeval":
    """An evaluator of the same objects and detections that looks at one class only."""
    import hotcoco

    narrow = hotcoco.COCOeval(evaluator.coco_gt, evaluator.coco_dt, "bbox")
    narrow.params.max_dets = evaluator.params.max_dets
    narrow.params.cat_ids = [label]
    narrow.evaluate()
    return narrow


def _count(
    dataset: CocoDataset, used: DetectionResults, diagnosis: Mapping[str, Any]
) -> NDArray[np.int64]:
    """Right and wrong detections and missed objects of each class, (3, K)."""
    num_classes = dataset.label_map.num_classes
    right = _count_by_class(diagnosis["dt_status"], "tp", used.labels, num_classes)
    wrong = _count_by_class(diagnosis["dt_status"], "fp", used.labels, num_classes)
    missed = _count_by_class(diagnosis["gt_status"], "fn", dataset.labels, num_classes)
    return np.stack((right, wrong, missed))


def _count_by_class(
    statuses: Mapping[int, str], status: str, labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """How many ids (1, 2, …) of each class (K,) have a status; `labels` are in their order."""
    ids = [number for number, value in statuses.items() if value == status]
    return np.bincount(labels[np.array(ids, np.int64) - 1], minlength=num_classes)


def interval_of(comparison: Mapping[str, Any], name: str) -> Interval:
    """Read a comparison's 95 % interval of a difference, unknown where no score is defined."""
    limits = comparison["ci"][name]
    if math.isnan(known(comparison["metrics_b"][name])):
        return UNKNOWN
    return float(limits["lower"]), float(limits["upper"])


def known(value: float) -> float:
    """Turn hotcoco's -1 for a score that nothing defines into nan."""
    return math.nan if value < 0 else float(value)
