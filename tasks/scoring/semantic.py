"""Scores of a class for every pixel.  K classes; counts are (…, 3, K) pixels: right, true, found.

They follow from sums over all images, so an image weighs as much as it has pixels.  Pixels whose
truth is ignored are not counted, whatever is predicted there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.images import Labels
from tasks.labels import IGNORED, LabelMap
from tasks.scoring.evaluation import percent_cell, worst_class_lines

Confusion = NDArray[np.int64]
"""(K, K) pixels: rows are true classes, columns predicted ones."""
Counts = NDArray[Any]
"""(…, 3, K): pixels of each class that are right, that are true, and that are predicted."""
BYTE = 256
MIOU = "seg/mIoU"
MEAN_ACCURACY = "seg/mean_accuracy"
HEADLINE = (MIOU, "seg/mIoU_present", "seg/pixel_accuracy", MEAN_ACCURACY, "seg/fwIoU")


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> Confusion:
    """Count the pixels of an image by true and predicted class, those ignored in the truth left
    out.

    Exact, in one pass over all values that two bytes can have.
    """
    assert truth.shape == predicted.shape, f"{predicted.shape} predicted for {truth.shape}"
    assert truth.dtype == predicted.dtype == np.uint8, "labels must be bytes"
    pairs = truth.astype(np.uint16) * np.uint16(BYTE) + predicted
    table = np.bincount(pairs.ravel(), minlength=BYTE * BYTE).reshape(BYTE, BYTE)
    confusion = table[:classes, :classes].copy()
    beyond = int(confusion.sum() + table[IGNORED, :classes].sum()) != truth.size
    assert not beyond, f"labels must be 0..{classes - 1}, in the truth also {IGNORED}"
    return confusion


def class_counts(confusion: Confusion) -> NDArray[np.int64]:
    """The counts (3, K) of a confusion."""
    return np.stack((confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)))


def class_ious(counts: Counts) -> NDArray[np.float64]:
    """Intersection over union (…, K), nan for a class that is neither true nor predicted."""
    right, true, predicted = np.moveaxis(counts, -2, 0)
    return _shares(right, true + predicted - right)


def class_accuracies(counts: Counts) -> NDArray[np.float64]:
    """Share (…, K) of each class's pixels that are right, nan for a class without any."""
    right, true, _ = np.moveaxis(counts, -2, 0)
    return _shares(right, true)


def mean_present(counts: Counts, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean (…) of values (…, K) over the classes that occur in the truth, nan without any."""
    return _mean_defined(np.where(counts[..., 1, :] > 0, values, math.nan))


def headline_scores(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """The scores over all classes (…), by the names of HEADLINE.

    `mIoU` leaves out classes that are neither true nor predicted, as mmsegmentation does; a class
    that is predicted but never true counts as 0.  `mIoU_present` also leaves those out, as
    detectron2 does.  `fwIoU` weights the classes by their pixels.
    """
    ious = class_ious(counts)
    right, true, _ = np.moveaxis(counts, -2, 0)
    total = true.sum(axis=-1)
    values = (
        _mean_defined(ious),
        mean_present(counts, ious),
        _shares(right.sum(axis=-1), total),
        _mean_defined(class_accuracies(counts)),
        _shares((np.nan_to_num(ious) * true).sum(axis=-1), total),
    )
    return dict(zip(HEADLINE, values, strict=True))


def semantic_scores(confusion: Confusion, label_map: LabelMap) -> dict[str, float]:
    """Compute the scores over all classes, then `seg/mIoU/<class>` and `seg/mean_accuracy/<class>`
    of every class.

    They are 0–1, as box/AP is, and nan where nothing defines them.
    """
    counts = class_counts(confusion)
    values = [float(value) for value in headline_scores(counts).values()]
    values += [*class_ious(counts).tolist(), *class_accuracies(counts).tolist()]
    return dict(zip(score_names(label_map), values, strict=True))


def score_names(label_map: LabelMap) -> list[str]:
    """The names that `semantic_scores` gives its scores, in order."""
    ious = [f"{MIOU}/{name}" for name in label_map.names]
    return [*HEADLINE, *ious, *(f"{MEAN_ACCURACY}/{name}" for name in label_map.names)]


def scoring_facts(dataset: SemanticDataset, images: int) -> dict[str, object]:
    """Facts about the scores for `write_evaluation`; a report that is made again reads them."""
    return {
        "data": str(dataset.path),
        "image_root": str(dataset.image_root.absolute()),
        "images": images,
        "classes": dataset.label_map.num_classes,
    }


def format_table(scores: Mapping[str, float]) -> str:
    """Format the scores of `semantic_scores`, times 100, as text for a terminal.

    Of many classes it shows the worst.
    """
    names = [name.removeprefix("seg/") for name in HEADLINE]
    widths = [len(name) + 3 for name in names]
    lines = [
        "Scores of pixels, times 100",
        "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)),
        "".join(percent_cell(scores[name], len(name) - 1) for name in HEADLINE),
        *worst_class_lines("IoU", scores, f"{MIOU}/", "pixel"),
    ]
    return "\n".join(lines)


def _shares(part: Counts, whole: Counts) -> NDArray[np.float64]:
    """Part over whole, nan where the whole is 0."""
    shares: NDArray[np.float64] = np.where(whole > 0, part / np.maximum(whole, 1), math.nan)
    return shares


def _mean_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (…) of the values (…, K) that are not nan."""
    return _shares(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))
