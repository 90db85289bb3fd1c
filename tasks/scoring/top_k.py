"""Top 1, top 5 and calibration of class probabilities.  N images, K classes, k = min(5, K)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.labels import LabelMap
from tasks.scoring.evaluation import percent_cell, worst_class_lines

RANKS = 5
"""Largest number of classes kept for an image."""
DETAILS = "top1/"
"""Beginning of the names of the classes' own scores."""


@dataclass(frozen=True)
class ClassResults:
    """The most likely classes of N images."""

    image_ids: NDArray[np.int64]  # (N,) place in the data set + 1
    labels: NDArray[np.int64]  # (N,) true classes
    ranked: NDArray[np.int64]  # (N, k) labels, the most likely first
    probabilities: NDArray[np.float32]  # (N, k) of those

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most likely class of each image (N,)."""
        return self.ranked[:, 0]

    @property
    def confidences(self) -> NDArray[np.float64]:
        """The probability (N,) of the most likely class."""
        return self.probabilities[:, 0].astype(np.float64)

    def right(self, ranks: int = 1) -> NDArray[np.bool_]:
        """Whether the true class (N,) is among the first ranks."""
        right: NDArray[np.bool_] = (self.ranked[:, :ranks] == self.labels[:, None]).any(axis=1)
        return right

    @staticmethod
    def empty() -> "ClassResults":
        """Return the results of no image at all."""
        ids = np.zeros(0, np.int64)
        return ClassResults(ids, ids, np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32))


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in equal bins of confidence, which hold their upper ends."""

    edges: NDArray[np.float64]  # (bins + 1,) 0 … 1
    counts: NDArray[np.int64]  # (bins,) images
    confidence: NDArray[np.float64]  # (bins,) means, nan without images
    accuracy: NDArray[np.float64]  # (bins,) nan without images

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017), nan without images."""
        if not self.counts.any():
            return math.nan
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((gaps * self.counts).sum() / self.counts.sum())


def concatenate(parts: Sequence[ClassResults]) -> ClassResults:
    """Join the results of all ranks by image, each image once, so that sharding leaves no trace."""
    filled = [part for part in parts if len(part)] or [ClassResults.empty()]
    ids = np.concatenate([part.image_ids for part in filled])
    image_ids, first = np.unique(ids, return_index=True)
    return ClassResults(
        image_ids,
        np.concatenate([part.labels for part in filled])[first],
        np.concatenate([part.ranked for part in filled])[first],
        np.concatenate([part.probabilities for part in filled])[first],
    )


def score_classes(results: ClassResults, label_map: LabelMap) -> dict[str, float]:
    """Compute `top1`, `top5` where classes are more than 5, `mean_class`, `calibration_error`, and
    `top1/<class>` of every class.

    `mean_class` is the mean of the classes' top 1; a score without images is nan.
    """
    by_class = class_accuracies(results, label_map.num_classes)
    scores = [_mean(results.right())]
    if label_map.num_classes > RANKS:
        scores.append(_mean(results.right(RANKS)))
    scores += [_mean(by_class[~np.isnan(by_class)]), calibration(results).error]
    return dict(zip(score_names(label_map), [*scores, *by_class.tolist()], strict=True))


def score_names(label_map: LabelMap) -> list[str]:
    """The names that `score_classes` gives its scores, in order."""
    top = ["top1", "top5"] if label_map.num_classes > RANKS else ["top1"]
    details = [f"{DETAILS}{name}" for name in label_map.names]
    return [*top, "mean_class", "calibration_error", *details]


def class_accuracies(results: ClassResults, classes: int) -> NDArray[np.float64]:
    """Top 1 of each class (K,), nan where it has no image."""
    images = np.bincount(results.labels, minlength=classes)
    right = np.bincount(results.labels[results.right()], minlength=classes)
    return np.where(images > 0, right / np.maximum(images, 1), math.nan)


def confusion(results: ClassResults, classes: int) -> NDArray[np.int64]:
    """Count images (K, K) by true class, the row, and predicted class."""
    places = results.labels * classes + results.predicted
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def most_confused(results: ClassResults) -> NDArray[np.int64]:
    """Pairs of a true and a wrongly predicted class with their images, (pairs, 3).

    The most frequent come first. They need no (K, K) matrix.
    """
    wrong = ~results.right()
    pairs = np.stack((results.labels[wrong], results.predicted[wrong]), axis=1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return np.column_stack((found, counts))[order]


def calibration(results: ClassResults, bins: int = 15) -> Calibration:
    """Compare the confidences with the share that is right, in equal bins from 0 to 1."""
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.digitize(results.confidences, edges, right=True) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    confident = np.bincount(places, results.confidences, bins).astype(np.float64)
    right = np.bincount(places[results.right()], minlength=bins).astype(np.float64)
    each = np.where(counts > 0, 1 / np.maximum(counts, 1), math.nan)
    return Calibration(edges, counts, confident * each, right * each)


def scoring_facts(
    data: str | Path, image_root: str | Path | None, results: ClassResults, label_map: LabelMap
) -> dict[str, object]:
    """Facts about the scores for `write_evaluation`; a report that is made again reads them.

    `image_root` is the folder that the file names of predictions.csv are relative to, None if the
    images are not files.
    """
    root = {} if image_root is None else {"image_root": str(image_root)}
    counts = {"images": len(results), "classes": label_map.num_classes}
    return {"data": str(data), **root, **counts}


def format_table(scores: Mapping[str, float]) -> str:
    """Format the scores of `score_classes`, times 100, as text for a terminal.

    Of many classes it shows the worst.
    """
    headline = [name for name in scores if not name.startswith(DETAILS)]
    widths = [max(8, len(name) + 2) for name in headline]
    pairs = list(zip(headline, widths, strict=True))
    lines = [
        "Scores of classes, times 100",
        "".join(f"{name:>{width}}" for name, width in pairs),
        "".join(percent_cell(scores[name], width) for name, width in pairs),
        *worst_class_lines("top1", scores, DETAILS, "image"),
    ]
    return "\n".join(lines)


def _mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> float:
    """The mean, nan of nothing."""
    return float(values.mean()) if values.size else math.nan
