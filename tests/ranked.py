"""Results of a classifier, made up."""

import numpy as np
from numpy.typing import NDArray

from tasks.labels import LabelMap
from tasks.scoring.top_k import RANKS, ClassResults


def classes(*names: str) -> LabelMap:
    return LabelMap(names, names)


def numbered(count: int) -> LabelMap:
    return classes(*(f"class {label}" for label in range(count)))


def ranked(labels: list[int], probabilities: NDArray[np.float32]) -> ClassResults:
    """Results of images 1, 2, … from the probabilities of all classes (N, K)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :RANKS]
    return ClassResults(
        np.arange(1, len(labels) + 1, dtype=np.int64),
        np.array(labels, np.int64),
        order,
        np.take_along_axis(probabilities, order, axis=1),
    )


def made_up(images: int, count: int, seed: int = 0, skill: float = 2.0) -> ClassResults:
    """A classifier that is right about as often as not."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, count, images)
    logits = random.normal(size=(images, count))
    logits[np.arange(images), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return ranked(labels.tolist(), probabilities.astype(np.float32))


def first_of(*pairs: tuple[int, int, float]) -> ClassResults:
    """Results of (true class, predicted class, its probability), without further ranks."""
    return ClassResults(
        np.arange(1, len(pairs) + 1, dtype=np.int64),
        np.array([true for true, _, _ in pairs], np.int64),
        np.array([[predicted] for _, predicted, _ in pairs], np.int64),
        np.array([[probability] for _, _, probability in pairs], np.float32),
    )
