"""Results of scoring labels of every pixel: sums, counts of each image, the worst images.

N images, K classes. Labels of all images are never held at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.images import Labels
from tasks.scoring.semantic import (
    Confusion,
    class_counts,
    class_ious,
    confusion_matrix,
    mean_present,
)

WORST_KEPT = 12
"""Number of images whose labels are kept."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its labels, and the score of their agreement."""

    image_id: int  # place in the data set + 1
    score: float  # mean IoU of the image's own classes
    truth: Labels
    predicted: Labels


@dataclass(frozen=True)
class SemanticResults:
    """Data of scores, intervals and reports; `merge` joins those of the ranks."""

    image_ids: NDArray[np.int64]  # (N,) place in the data set + 1
    counts: NDArray[np.int32]  # (N, 3, K) pixels of a class: right, true, predicted
    confusion: Confusion  # (K, K) of all images
    worst: tuple[LabelledImage, ...] = ()  # the worst first

    def __len__(self) -> int:
        return len(self.image_ids)

    def image_scores(self) -> NDArray[np.float64]:
        """Mean IoU (N,) of the classes in each image's truth, nan where all of it is ignored."""
        return mean_present(self.counts, class_ious(self.counts))


@dataclass
class WorstImages:
    """The images of lowest score among those added, with their labels; at most `kept`."""

    kept: int = WORST_KEPT
    images: list[LabelledImage] = field(default_factory=list)

    def add(self, image: LabelledImage) -> None:
        """Take an image, unless it is better than all of enough others; nan is not a score."""
        full = len(self.images) == self.kept
        if math.isnan(image.score) or (full and _rank(image) > _rank(self.images[-1])):
            return
        self.images = sorted([*self.images, image], key=_rank)[: self.kept]


@dataclass
class SemanticTally:
    """Adds up a rank's images one by one."""

    classes: int
    worst: WorstImages = field(default_factory=WorstImages)
    _confusion: Confusion = field(init=False)
    _counts: dict[int, NDArray[np.int32]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(self, image_id: int, truth: Labels, predicted: Labels) -> None:
        """Count an image's labels (H, W) at its original size; `truth` may be IGNORED, while every
        pixel is predicted.
        """
        assert image_id not in self._counts, f"image {image_id} is scored twice"
        confusion = confusion_matrix(truth, predicted, self.classes)
        counts = class_counts(confusion).astype(np.int32)
        self._confusion += confusion
        self._counts[image_id] = counts
        score = float(mean_present(counts, class_ious(counts)))
        self.worst.add(LabelledImage(image_id, score, truth, predicted))

    def results(self) -> SemanticResults:
        """Results of the images added so far."""
        counts = np.array(list(self._counts.values()), np.int32).reshape(-1, 3, self.classes)
        ids = np.array(list(self._counts), np.int64)
        return SemanticResults(ids, counts, self._confusion.copy(), tuple(self.worst.images))


def merge(parts: Sequence[SemanticResults]) -> SemanticResults:
    """Join the results of all ranks, sorted by image, so that sharding leaves no trace."""
    ids = np.concatenate([part.image_ids for part in parts])
    order = np.argsort(ids)
    assert len(np.unique(ids)) == len(ids), "an image was scored by two ranks"
    worst = WorstImages()
    for part in parts:
        for image in part.worst:
            worst.add(image)
    return SemanticResults(
        ids[order],
        np.concatenate([part.counts for part in parts])[order],
        np.sum([part.confusion for part in parts], axis=0),
        tuple(worst.images),
    )


def _rank(image: LabelledImage) -> tuple[float, int]:
    """Order of images, the worst first."""
    return image.score, image.image_id
