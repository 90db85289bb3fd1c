"""Analyses of detections beyond COCO's scores, by hotcoco and by resampling.

K classes, N detections. Numbers are 0–1; nan if the ground truth does not define one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.outcomes import Outcome
from tasks.scoring.engines import SCORE_NAMES, hotcoco_evaluator, mean_defined, summarize
from tasks.scoring.instance_samples import RECALLS, SampledScores, sample_scores
from tasks.scoring.resampling import Interval, draw_images, interval_of
from tasks.scoring.results import DetectionResults

STATUSES = {
    "tp": Outcome.RIGHT,
    "matched": Outcome.RIGHT,
    "fp": Outcome.WRONG,
    "fn": Outcome.MISSED,
}
"""hotcoco's words for what came of detections and objects."""


@dataclass(frozen=True)
class ClassReport:
    """One class: its AP, and how it does at the score threshold of its best F1 (IoU 0.50)."""

    name: str
    objects: int  # without crowds
    images: int  # that have such objects
    ap: float
    interval: Interval
    samples: int  # bootstrap samples behind it: those that hold an object of the class
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

    limit: int
    """Most detections of a class and image that count."""
    scores: Mapping[str, float]
    """COCO's twelve numbers."""
    intervals: Mapping[str, Interval]
    """95 % bootstrap intervals over images, of the same names."""
    samples: int
    """Bootstrap samples of the images."""
    partial_samples: int
    """Those that hold no object of some class that has objects."""
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
    of_detections: tuple[Outcome, ...]
    """What came of each of `used`."""
    of_objects: tuple[Outcome, ...]
    """What came of each object of the data set."""
    suspects: tuple[Mapping[str, Any], ...]
    """Annotations that a confident detection contradicts, the most confident first."""


def analyse(
    dataset: CocoDataset, results: DetectionResults, limit: int = SCORED_DETECTIONS
) -> Analysis:
    """Run hotcoco's analyses, and resample the images.

    It takes seconds for thousands of detections, about a minute for 500,000 in 80 classes.
    """
    num_classes = dataset.label_map.num_classes
    evaluator = hotcoco_evaluator(dataset, results, limit)
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    everything = np.asarray(curves["precision"])
    scores = summarize(everything, np.asarray(curves["recall"]))
    precision = everything[:, :, :, 0, -1]
    thresholds = best_thresholds(precision[0], np.asarray(curves["scores"])[0, :, :, 0, -1])
    used = results.where(results.scores >= _filled(thresholds)[results.labels])
    in_use = hotcoco_evaluator(dataset, used, limit)
    diagnosis = in_use.image_diagnostics(iou_thr=0.5)
    calibration = evaluator.calibration(n_bins=10, iou_threshold=0.5)
    samples = bootstrap_samples(len(results), num_classes)
    draws = draw_images(len(dataset), samples)
    sampled = sample_scores(dataset, results, draws, limit)
    counts = _count(dataset, used, diagnosis)
    errors = calibration["per_category"]
    classes = _class_reports(dataset, precision, thresholds, counts, errors, sampled)
    return Analysis(
        limit=limit,
        scores=dict(zip(SCORE_NAMES, scores, strict=True)),
        intervals={name: interval_of(values) for name, values in sampled.overall.items()},
        samples=samples,
        partial_samples=sampled.partial,
        classes=tuple(classes),
        precision=precision,
        tide=evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1),
        calibration=calibration,
        used=used,
        confusion=np.asarray(in_use.confusion_matrix(iou_thr=0.5)["matrix"], dtype=np.int64),
        images=diagnosis["img_summary"],
        of_detections=_outcomes(diagnosis["dt_status"], len(used)),
        of_objects=_outcomes(diagnosis["gt_status"], len(dataset.labels)),
        suspects=tuple(diagnosis["label_errors"]),
    )


def _class_reports(
    dataset: CocoDataset,
    precision: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    counts: NDArray[np.int64],
    calibration_errors: Mapping[str, float],
    sampled: SampledScores,
) -> list[ClassReport]:
    """The classes; `counts` are (3, K) right, wrong and missed."""
    names = dataset.label_map.names
    owners = np.repeat(dataset.image_ids, np.diff(dataset.first))[~dataset.crowd]
    labels = dataset.labels[~dataset.crowd]
    objects = np.bincount(labels, minlength=len(names))
    pairs = np.unique(np.stack((labels, owners)), axis=1)  # (2, classes in images)
    images = np.bincount(pairs[0], minlength=len(names))
    defined = sampled.defined
    reports: list[ClassReport] = []
    for label, name in enumerate(names):
        report = ClassReport(
            name=name,
            objects=int(objects[label]),
            images=int(images[label]),
            ap=mean_defined(precision[:, :, label]),
            interval=interval_of(sampled.classes[:, label]),
            samples=int(defined[label]),
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
    return max(100, min(500, 50_000 // (classes + detections // 1000 + 1)))


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


def _outcomes(statuses: Mapping[int, str], count: int) -> tuple[Outcome, ...]:
    """Outcomes of the ids 1, 2, … count by hotcoco's statuses; those without one are ignored."""
    ids = range(1, count + 1)
    return tuple(STATUSES.get(statuses.get(number, ""), Outcome.IGNORED) for number in ids)


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
