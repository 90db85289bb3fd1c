"""What hotcoco says of detections beyond COCO's scores, gathered for a report.  K classes, N
detections.

Numbers are 0–1; nan where the ground truth does not define one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
        return self.right / (self.right + self.wrong) if self.right + self.wrong else math.nan

    @property
    def recall(self) -> float:
        """Share of the objects that are found."""
        return self.right / (self.right + self.missed) if self.right + self.missed else math.nan

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
    """Run hotcoco's analyses; seconds for thousands of detections, about a minute for 500,000 in 80
    classes.
    """
    evaluator = hotcoco_evaluator(dataset, results)
    nothing = hotcoco_evaluator(dataset, DetectionResults.empty())
    samples = bootstrap_samples(len(results), dataset.label_map.num_classes)
    narrow = class_samples(dataset.label_map.num_classes)
    summary = compare(nothing, evaluator, samples)
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])[:, :, :, 0, -1]
    thresholds = best_thresholds(precision[0], np.asarray(curves["scores"])[0, :, :, 0, -1])
    defined = thresholds[~np.isnan(thresholds)]
    stand_in = float(np.median(defined)) if defined.size else 0.5
    used = results.where(
        results.scores >= np.where(np.isnan(thresholds), stand_in, thresholds)[results.labels]
    )
    in_use = hotcoco_evaluator(dataset, used)
    diagnosis = in_use.image_diagnostics(iou_thr=0.5)
    calibration = evaluator.calibration(n_bins=10, iou_threshold=0.5)
    counts = _count(dataset, used, diagnosis)
    has_objects = np.bincount(dataset.labels[~dataset.crowd], minlength=len(thresholds))
    return Analysis(
        scores={name: known(summary["metrics_b"][name]) for name in SCORE_NAMES},
        intervals={name: interval_of(summary, name) for name in SCORE_NAMES},
        samples=samples,
        class_samples=narrow,
        classes=tuple(
            ClassReport(
                name=name,
                objects=int(has_objects[label]),
                ap=mean_defined(precision[:, :, label]),
                interval=(
                    class_interval(nothing, evaluator, label, narrow)
                    if has_objects[label]
                    else UNKNOWN
                ),
                ap50=mean_defined(precision[0, :, label]),
                threshold=float(thresholds[label]),
                right=int(counts[0][label]),
                wrong=int(counts[1][label]),
                missed=int(counts[2][label]),
                calibration_error=float(calibration["per_category"].get(name, math.nan)),
            )
            for label, name in enumerate(dataset.label_map.names)
        ),
        precision=precision,
        tide=evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1),
        calibration=calibration,
        used=used,
        confusion=np.asarray(in_use.confusion_matrix(iou_thr=0.5)["matrix"], dtype=np.int64),
        images=diagnosis["img_summary"],
        suspects=tuple(diagnosis["label_errors"]),
    )


def bootstrap_samples(detections: int, classes: int) -> int:
    """Bootstrap samples for a data set: 500, and fewer where they would take minutes, 100
    at least.
    """
    return max(100, min(500, 12_000 // (classes + detections // 1000)))


def class_samples(classes: int) -> int:
    """Bootstrap samples for the interval of each class, fewer where there are many of them, 100 at
    least.
    """
    return max(100, min(500, 8_000 // classes))


def compare(one: "COCOeval", other: "COCOeval", samples: int) -> dict[str, Any]:
    """hotcoco's paired comparison of two evaluators of the same images, other minus one.

    Against an evaluator without detections, which scores 0 throughout, the difference is the score
    itself.
    """
    import hotcoco

    return hotcoco.compare(one, other, n_bootstrap=samples, seed=0)


def class_interval(one: "COCOeval", other: "COCOeval", label: int, samples: int) -> Interval:
    """95 % bootstrap interval of the difference in one class's AP, other minus one."""
    return interval_of(compare(_of_class(one, label), _of_class(other, label), samples), "AP")


def best_thresholds(
    precision: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The score (K,) at which F1 is highest on precision-recall curves (101, K); nan where nothing
    is found.
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
    kinds = (
        ("dt_status", "tp", used.labels),
        ("dt_status", "fp", used.labels),
        ("gt_status", "fn", dataset.labels),
    )
    rows = []
    for table, kind, labels in kinds:
        ids = [number for number, status in diagnosis[table].items() if status == kind]
        rows.append(
            np.bincount(
                labels[np.array(ids, np.int64) - 1], minlength=dataset.label_map.num_classes
            )
        )
    return np.stack(rows)


def interval_of(comparison: Mapping[str, Any], name: str) -> Interval:
    """A comparison's 95 % interval of a difference, unknown where the score is not defined."""
    limits = comparison["ci"][name]
    if math.isnan(known(comparison["metrics_b"][name])):
        return UNKNOWN
    return float(limits["lower"]), float(limits["upper"])


def known(value: float) -> float:
    """hotcoco's -1 for a score that nothing defines, as nan."""
    return math.nan if value < 0 else float(value)
