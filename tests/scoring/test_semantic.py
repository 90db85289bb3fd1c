"""Scores of pixels: by hand, and against hotcoco and torchmetrics."""

import math
from typing import Any

import hotcoco
import numpy as np
import pytest
import torch
from labelled import ROAD, blocks, labels
from ranked import numbered

from tasks.labels import IGNORED
from tasks.scoring.semantic import (
    class_counts,
    confusion_matrix,
    format_table,
    headline_scores,
    score_names,
    semantic_scores,
)

TRUTH = labels("000011", "000011", ".....1")
GUESS = labels("000111", "000211", "012301")
"""Six of eight road pixels right, the tree's five as well; a car is found where none is."""


def test_the_confusion_by_hand() -> None:
    assert confusion_matrix(TRUTH, GUESS, 4).tolist() == [
        [6, 1, 1, 0],
        [0, 5, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_scores_by_hand() -> None:
    scores = semantic_scores(confusion_matrix(TRUTH, GUESS, 4), ROAD)
    assert scores["seg/mIoU/road"] == 6 / 8
    assert scores["seg/mIoU/tree"] == 5 / 6
    assert scores["seg/mIoU/car"] == 0
    assert math.isnan(scores["seg/mIoU/boat"])
    assert scores["seg/mIoU"] == pytest.approx((6 / 8 + 5 / 6 + 0) / 3)
    assert scores["seg/mIoU_present"] == pytest.approx((6 / 8 + 5 / 6) / 2)
    assert scores["seg/pixel_accuracy"] == 11 / 13
    assert scores["seg/mean_accuracy"] == (6 / 8 + 5 / 5) / 2
    assert scores["seg/fwIoU"] == pytest.approx((8 * 6 / 8 + 5 * 5 / 6) / 13)
    assert scores["seg/mean_accuracy/road"] == 6 / 8
    assert math.isnan(scores["seg/mean_accuracy/car"])


def test_names_are_those_of_the_scores_in_order() -> None:
    scores = semantic_scores(confusion_matrix(TRUTH, GUESS, 4), ROAD)
    assert list(scores) == score_names(ROAD)
    assert score_names(ROAD)[:6] == [
        "seg/mIoU",
        "seg/mIoU_present",
        "seg/pixel_accuracy",
        "seg/mean_accuracy",
        "seg/fwIoU",
        "seg/mIoU/road",
    ]


def test_nothing_but_ignored_pixels_scores_nan() -> None:
    nothing = np.full((3, 5), IGNORED, np.uint8)
    confusion = confusion_matrix(nothing, np.zeros((3, 5), np.uint8), 4)
    assert not confusion.any()
    assert all(math.isnan(value) for value in semantic_scores(confusion, ROAD).values())


@pytest.mark.parametrize(
    ("truth", "guess"),
    [(labels("04"), labels("00")), (labels("00"), labels("04")), (labels("0."), labels("0."))],
)
def test_labels_that_are_no_class_are_our_bug(truth: Any, guess: Any) -> None:
    with pytest.raises(AssertionError, match=r"labels must be 0\.\.3"):
        confusion_matrix(truth, guess, 4)


@pytest.mark.parametrize("classes", [1, 2, 19, 150, 255])
def test_confusion_and_scores_are_hotcocos(classes: int) -> None:
    truth, guess = blocks(0, classes, (240, 320))
    found = confusion_matrix(truth, guess, classes)
    expected = hotcoco.metrics.pixel_confusion(truth, guess, classes, ignore_index=IGNORED)
    np.testing.assert_array_equal(found, expected)
    means = hotcoco.metrics.mean_iou(expected)
    scores = semantic_scores(found, numbered(classes))
    names = ("mIoU", "aAcc", "mAcc", "fwIoU")
    ours = ("mIoU", "pixel_accuracy", "mean_accuracy", "fwIoU")
    assert [scores[f"seg/{name}"] for name in ours] == pytest.approx([means[n] for n in names])


def test_confusion_and_class_scores_are_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    truth, guess = blocks(0, 19, (240, 320))
    given = (torch.tensor(guess).long(), torch.tensor(truth).long())
    options = {"num_classes": 19, "ignore_index": IGNORED}
    found = confusion_matrix(truth, guess, 19)
    expected = functional.multiclass_confusion_matrix(*given, **options)
    np.testing.assert_array_equal(found, expected.numpy())
    scores = semantic_scores(found, numbered(19))
    ious = functional.multiclass_jaccard_index(*given, average="none", **options)
    assert [scores[f"seg/mIoU/class {k}"] for k in range(19)] == pytest.approx(ious.tolist())
    accuracies = functional.multiclass_accuracy(*given, average="none", **options)
    assert [scores[f"seg/mean_accuracy/class {k}"] for k in range(19)] == pytest.approx(
        accuracies.tolist()
    )


def test_many_counts_are_scored_at_once() -> None:
    counts = class_counts(confusion_matrix(TRUTH, GUESS, 4))
    both = headline_scores(np.stack((counts, 0 * counts)))
    assert both["seg/mIoU_present"][0] == pytest.approx((6 / 8 + 5 / 6) / 2)
    assert math.isnan(both["seg/mIoU_present"][1])


def test_the_table_shows_scores_and_classes() -> None:
    lines = format_table(semantic_scores(confusion_matrix(TRUTH, GUESS, 4), ROAD)).splitlines()
    assert lines[1].split() == ["mIoU", "mIoU_present", "pixel_accuracy", "mean_accuracy", "fwIoU"]
    assert lines[2].split() == ["52.8", "79.2", "84.6", "87.5", "78.2"]
    assert lines[4] == "  road   75.0  tree   83.3  car     0.0"
    assert lines[5] == "no pixel (n/a): boat"
