"""Repeat factors by hand and against detectron2's formula, and batches that follow them."""

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.datasets.repeat_factors import repeat_factors
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import TrainBatches
from tasks.engine.loading import Share

HELD = [
    [0],
    [0, 0],
    [0, 1],
    [0],
    [0],
    [0, 2, 1],
    [0],
    [0],
    [],
]  # labels of the objects of nine images


def dataset_of(folder: Path, held: list[list[int]], crowd_of: int | None = None) -> CocoDataset:
    """A data set without files whose images hold objects of these labels; those of label `crowd_of`
    are crowds.
    """
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": 32, "width": 32} for n in range(len(held))
        ],
        "categories": [{"id": n, "name": f"kind {n}"} for n in range(4)],
        "annotations": [
            {
                "image_id": n,
                "category_id": label,
                "bbox": [1, 1, 9, 9],
                "iscrowd": int(label == crowd_of),
            }
            for n, labels in enumerate(held)
            for label in labels
        ],
    }
    (folder / "held.json").write_text(json.dumps(content))
    return read_coco(folder / "held.json")


def detectron2_factors(held: list[list[int]], threshold: float) -> list[float]:
    """`RepeatFactorTrainingSampler.repeat_factors_from_category_frequency`, as it stands in
    detectron2, on labels.
    """
    category_freq: dict[int, float] = defaultdict(int)
    for labels in held:
        for label in set(labels):
            category_freq[label] += 1
    for label, count in category_freq.items():
        category_freq[label] = count / len(held)
    category_rep = {
        label: max(1.0, math.sqrt(threshold / freq)) for label, freq in category_freq.items()
    }
    return [max({category_rep[label] for label in set(labels)}, default=1.0) for labels in held]


def test_factors_by_hand(tmp_path: Path) -> None:
    factors = repeat_factors(dataset_of(tmp_path, HELD[:8]), np.arange(8), 0.5)
    # of 8 images, 8 hold kind 0, 2 hold kind 1: sqrt(0.5 / 0.25); 1 holds kind 2: sqrt(0.5 / 0.125)
    # = 2
    assert factors == pytest.approx([1, 1, math.sqrt(2), 1, 1, 2, 1, 1])


@pytest.mark.parametrize("threshold", [0.01, 0.3, 1.0])
def test_factors_are_detectron2s(tmp_path: Path, threshold: float) -> None:
    held = [list(labels) for labels in np.random.default_rng(0).integers(0, 4, (40, 2)) ** 3 // 9]
    held = [[int(label) for label in labels] for labels in [*held, [], [3]]]
    factors = repeat_factors(dataset_of(tmp_path, held), np.arange(len(held)), threshold)
    assert factors == pytest.approx(detectron2_factors(held, threshold), abs=1e-12)


def test_crowds_and_images_that_are_not_trained_on_do_not_count(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [[0], [0, 1], [2], [0]], crowd_of=1)
    factors = repeat_factors(dataset, np.array([0, 1, 2]), 1.0)
    assert factors == pytest.approx([math.sqrt(3 / 2), math.sqrt(3 / 2), math.sqrt(3)])


def test_an_epoch_repeats_rare_images_and_is_the_same_on_every_rank(tmp_path: Path) -> None:
    config = DataConfig(batch_size=2, repeat_threshold=0.5, short_edge=(32,), workers=0)
    batches, other = (
        TrainBatches(dataset_of(tmp_path, HELD), config, Share(rank=n, ranks=2)) for n in (0, 1)
    )
    assert batches.epoch_length == 5  # 6 x 1 + sqrt(2) + 2 = 9.41 images
    drawn = [image.index for step in range(5 * 40) for image in batches.plan(step).images]
    times = np.bincount(drawn) / 40
    assert times == pytest.approx(
        np.array([1, 1, math.sqrt(2), 1, 1, 2, 1, 1]) * 10 / 9.4142, abs=0.2
    )
    assert [other.plan(step) for step in range(12)] == [batches.plan(step) for step in range(12)]
