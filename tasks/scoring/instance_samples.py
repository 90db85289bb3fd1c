"""COCO's scores of bootstrap samples of the images.

N images, S samples, K classes, T IoU thresholds, n detections of a class.  A sample that holds no
object of a class, or none of a size, says nothing of it: its score is nan there, and the class is
left out of that sample's means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.scoring.engines import SCORE_NAMES, detection_limits
from tasks.scoring.instance_matches import THRESHOLDS, Matches, match_classes
from tasks.scoring.results import DetectionResults

Floats = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 101)
"""COCO's, at which precision is read."""
SIZES = ("", "s", "m", "l")  # all objects, small, medium and large ones
CELLS = 4_000_000  # of a table of samples and detections


@dataclass(frozen=True)
class SampledScores:
    """The scores of every sample."""

    overall: Mapping[str, Floats]
    """COCO's twelve numbers (S,), nan where a sample defines none."""
    classes: Floats
    """(S, K) AP, nan where a sample holds no object of the class."""

    def minus(self, other: SampledScores) -> SampledScores:
        """Differences of these scores and others' on the same samples."""
        overall = {name: values - other.overall[name] for name, values in self.overall.items()}
        return SampledScores(overall, self.classes - other.classes)

    @property
    def defined(self) -> NDArray[np.int64]:
        """Number of samples that define the score of each class, (K,)."""
        held: NDArray[np.int64] = (~np.isnan(self.classes)).sum(axis=0)
        return held

    @property
    def partial(self) -> int:
        """Number of samples that lack some class that others hold."""
        held = ~np.isnan(self.classes)
        return int((~held[:, held.any(axis=0)]).any(axis=1).sum())


def sample_scores(
    dataset: CocoDataset,
    results: DetectionResults,
    draws: NDArray[np.int16],
    limit: int = SCORED_DETECTIONS,
) -> SampledScores:
    """Score samples that hold image i `draws[s, i]` times, (S, N).

    The best `limit` detections of a class and image count.
    """
    classes = dataset.label_map.num_classes
    samples = len(draws)
    by_class = np.full((samples, classes), np.nan)
    sums = {name: np.zeros(samples) for name in SCORE_NAMES}
    counts = {name: np.zeros(samples) for name in SCORE_NAMES}
    for label, matches in enumerate(match_classes(dataset, results, limit)):
        found = _class_scores(matches, draws, limit)
        by_class[:, label] = found.get("AP", np.nan)
        for name, values in found.items():
            sums[name] += np.nan_to_num(values)
            counts[name] += ~np.isnan(values)
    overall: dict[str, Floats] = {}
    for name in SCORE_NAMES:
        mean = sums[name] / np.maximum(counts[name], 1)
        overall[name] = np.where(counts[name] > 0, mean, np.nan)
    return SampledScores(overall, by_class)


def _class_scores(matches: Matches, draws: NDArray[np.int16], limit: int) -> dict[str, Floats]:
    """One class's part in COCO's twelve numbers, each (S,); those of sizes it has."""
    scores: dict[str, Floats] = {}
    drawn = draws[:, matches.images]
    for size in np.flatnonzero(matches.objects.any(axis=1)).tolist():
        precisions = _average_precisions(matches, size, drawn)  # (S, T)
        scores[f"AP{SIZES[size]}"] = precisions.mean(axis=1)
        if size:
            scores[f"AR{SIZES[size]}"] = _recall(matches, size, drawn, limit)
            continue
        scores["AP50"] = precisions[:, 0]
        scores["AP75"] = precisions[:, 5]
        for name, most in zip(("AR1", "AR10", "AR100"), detection_limits(limit), strict=True):
            scores[name] = _recall(matches, size, drawn, most)
    return scores


def _average_precisions(matches: Matches, size: int, drawn: NDArray[np.int16]) -> Floats:
    """AP (S, T) of samples that hold the images of the matches `drawn` (S, m) times."""
    objects = drawn @ matches.objects[size]  # (S,)
    precisions = np.zeros((len(drawn), len(THRESHOLDS)))
    rows = max(1, CELLS // max(1, len(matches.owners)))
    for start in range(0, len(drawn), rows):
        part = slice(start, start + rows)
        weights = drawn[part][:, matches.owners]  # (rows, n)
        for threshold in range(len(THRESHOLDS)):
            counted = matches.counted[size, threshold]
            hits = np.flatnonzero(matches.right[size, threshold][counted])
            kept = weights[:, counted]
            precisions[part, threshold] = _average_precision(kept, hits, objects[part])
    return np.where(objects[:, None] > 0, precisions, np.nan)


def _average_precision(
    weights: NDArray[np.int16], hits: NDArray[np.intp], objects: Floats
) -> Floats:
    """AP (S,) of detections that occur `weights` (S, n) times, of which those at `hits` are right.

    Precision is highest where a detection is right, so it is looked at there only.
    """
    if not hits.size:
        return np.zeros(len(weights))
    detections = np.cumsum(weights[:, : hits[-1] + 1], axis=1, dtype=np.int32)[:, hits]
    right = np.cumsum(weights[:, hits], axis=1, dtype=np.int32)
    precision = right / np.maximum(detections, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # here or further on
    recall = right / np.maximum(objects, 1)[:, None]
    reached = np.searchsorted(RECALLS, recall, side="right")
    steps = np.diff(reached, axis=1, prepend=0)  # recalls that are first reached here
    mean: Floats = (best * steps).sum(axis=1) / len(RECALLS)
    return mean


def _recall(matches: Matches, size: int, drawn: NDArray[np.int16], limit: int) -> Floats:
    """Mean recall (S,) over thresholds with the best `limit` detections of each image."""
    right = matches.right[size] & (matches.ranks < limit)
    hits = right.sum(axis=0)  # thresholds at which a detection is right
    found = np.bincount(matches.owners, hits, minlength=len(matches.images))
    objects = drawn @ matches.objects[size]
    recall = drawn @ found / (len(THRESHOLDS) * np.maximum(objects, 1))
    return np.where(objects > 0, recall, np.nan)
