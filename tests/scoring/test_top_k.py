"""Top 1, top 5, confusion and calibration: by hand, and against timm and torch."""

import math

import numpy as np
import pytest
import torch
from ranked import classes, first_of, made_up, numbered, ranked
from timm.utils import accuracy

from tasks.scoring.top_k import (
    ClassResults,
    calibration,
    concatenate,
    confusion,
    format_table,
    most_confused,
    score_classes,
    score_names,
)

PETS = classes("cat", "dog", "owl")
SEEN = first_of((0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.6), (0, 1, 0.7), (1, 1, 0.5), (1, 0, 0.55))
"""Cats: two of four right. Dogs: one of two right. Owls: none there."""


def test_scores_by_hand() -> None:
    scores = score_classes(SEEN, PETS)
    assert scores["top1"] == 0.5
    assert scores["mean_class"] == 0.5
    assert (scores["top1/cat"], scores["top1/dog"]) == (0.5, 0.5)
    assert math.isnan(scores["top1/owl"])


def test_the_mean_over_classes_weighs_them_equally() -> None:
    unequal = first_of((0, 0, 0.9), (0, 0, 0.9), (0, 0, 0.9), (1, 0, 0.9))
    scores = score_classes(unequal, PETS)
    assert (scores["top1"], scores["mean_class"]) == (0.75, 0.5)


@pytest.mark.parametrize("count", [6, 40])
def test_top_1_and_top_5_are_those_of_timm(count: int) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(300, count)).astype(np.float32)
    labels = random.integers(0, count, 300)
    scores = score_classes(ranked(labels.tolist(), logits), numbered(count))
    expected = accuracy(torch.tensor(logits), torch.tensor(labels), topk=(1, 5))
    found = [100 * scores["top1"], 100 * scores["top5"]]
    assert found == pytest.approx([float(value) for value in expected], rel=1e-5)


def test_right_among_three_ranks_is_torchs_top_k() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(100, 8)).astype(np.float32)
    labels = random.integers(0, 8, 100)
    best = torch.tensor(logits).topk(3).indices.numpy()
    expected = [label in row for label, row in zip(labels, best, strict=True)]
    assert ranked(labels.tolist(), logits).right(3).tolist() == expected


@pytest.mark.parametrize(("count", "has_top5"), [(1, False), (5, False), (6, True)])
def test_top_5_of_five_classes_or_fewer_is_no_score(count: int, has_top5: bool) -> None:
    scores = score_classes(made_up(20, count), numbered(count))
    assert ("top5" in scores) == has_top5
    assert list(scores) == score_names(numbered(count))


def test_nothing_scored_is_not_a_number() -> None:
    assert all(math.isnan(value) for value in score_classes(ClassResults.empty(), PETS).values())


def test_confusion_counts_true_classes_in_rows() -> None:
    assert confusion(SEEN, 3).tolist() == [[2, 2, 0], [1, 1, 0], [0, 0, 0]]


def test_the_most_frequent_confusion_comes_first() -> None:
    assert most_confused(SEEN).tolist() == [[0, 1, 2], [1, 0, 1]]


def test_no_confusion_without_mistakes() -> None:
    assert most_confused(first_of((0, 0, 0.9))).tolist() == []


def test_calibration_error_by_hand() -> None:
    """Four bins: 0.1 and 0.2 in the first (half right, 0.15 sure), 0.75 in the third, 0.8 and 0.9
    in the last: (2 * |0.5 - 0.15| + |0 - 0.75| + 2 * |1 - 0.85|) / 5.
    """
    results = first_of((0, 0, 0.1), (0, 1, 0.2), (0, 1, 0.75), (0, 0, 0.8), (1, 1, 0.9))
    found = calibration(results, bins=4)
    assert found.counts.tolist() == [2, 0, 1, 2]
    np.testing.assert_allclose(found.confidence, [0.15, math.nan, 0.75, 0.85], rtol=1e-6)
    np.testing.assert_array_equal(found.accuracy, [0.5, math.nan, 0, 1])
    assert found.error == pytest.approx((0.7 + 0.75 + 0.3) / 5, rel=1e-6)


def test_a_bin_holds_its_upper_end() -> None:
    results = first_of((0, 0, 0.25), (0, 0, 0.5), (0, 0, 1.0))
    assert calibration(results, bins=4).counts.tolist() == [1, 1, 0, 1]


def test_confidences_that_are_chances_have_no_calibration_error() -> None:
    ten = [(0, 0, 0.9)] * 9 + [(0, 1, 0.9)]
    assert calibration(first_of(*ten)).error == pytest.approx(0, abs=1e-6)


def test_the_calibration_error_of_the_scores_has_15_bins() -> None:
    """0.61 and 0.65 share the bin from 0.60 to 0.67, but not one of 20."""
    results = first_of((0, 0, 0.61), (0, 1, 0.65))
    error = score_classes(results, PETS)["calibration_error"]
    assert error == pytest.approx(0.63 - 0.5, rel=1e-5)


def part(*image_ids: int) -> ClassResults:
    """Images whose labels and probabilities follow from their ids."""
    ids = np.array(image_ids, np.int64)
    ranks = np.stack((ids % 3, (ids + 1) % 3), axis=1)
    return ClassResults(ids, ids % 3, ranks, (ranks / 4).astype(np.float32))


def test_shards_are_joined_by_image_and_each_image_counts_once() -> None:
    joined = concatenate([part(2, 4, 6), part(1, 3, 5), part(1, 2)])
    whole = part(1, 2, 3, 4, 5, 6)
    for name in ("image_ids", "labels", "ranked", "probabilities"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_ranks_without_images_add_nothing() -> None:
    assert len(concatenate([])) == 0
    assert concatenate([ClassResults.empty(), part(1), ClassResults.empty()]).ranked.shape == (1, 2)


def test_the_table_shows_scores_and_classes_times_100() -> None:
    lines = format_table(score_classes(SEEN, PETS)).splitlines()
    assert lines[1].split() == ["top1", "mean_class", "calibration_error"]
    assert lines[2].split()[:2] == ["50.0", "50.0"]
    assert lines[-2:] == ["  cat   50.0  dog   50.0", "no image (n/a): owl"]


def test_the_table_of_many_classes_shows_the_worst() -> None:
    accuracies = {f"top1/c{label}": (label + 1) / 100 for label in range(100)}
    table = format_table({"top1": 0.5, **accuracies})
    assert "top1 of the worst 20 of 100 classes" in table
    assert "c0 " in table
    assert "c19 " in table
    assert "c20 " not in table
