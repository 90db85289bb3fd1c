"""Where crops and scales lie, before any image is read."""

from pathlib import Path

import numpy as np
from tiny_segmenter import tiny_config

from tasks.segmentation.data.plans import ScoredPlan, TrainPlans
from tasks.segmentation.data.read_splits import read_split
from tasks.vision.placement import Placement

CROPPED = {"data__crop": 32, "data__scale_jitter": "[0.5,2.0]"}


def test_the_whole_image_is_scaled_and_all_of_a_step_are_padded_alike(masks: Path) -> None:
    config = tiny_config(masks, **{**CROPPED, "data__crop": 40})
    plans = TrainPlans(read_split(config.data, "train"), config.data, seed=0)
    drawn = [image.placement for step in range(20) for image in plans(step).images]
    heights = np.array([placement.size[0] for placement in drawn])
    assert 24 <= heights.min() < 36 < 72 < heights.max() <= 96  # 48 pixels by 0.5 to 2
    assert all(abs(one.size[1] - one.size[0] * 4 / 3) <= 1 for one in drawn)
    assert {plans(step).padded_size for step in range(20)} == {(64, 64)}


def test_a_step_is_the_same_in_parts(masks: Path) -> None:
    config = tiny_config(masks, **CROPPED)
    plan = TrainPlans(read_split(config.data, "train"), config.data, seed=0)(3)
    parts = [plan.part(0, 1), plan.part(1, 4)]
    assert parts[0].images + parts[1].images == plan.images
    assert {part.padded_size for part in parts} == {plan.padded_size}


def test_parts_keep_every_scale() -> None:
    first = tuple(Placement((side, side)) for side in (32, 48))
    second = tuple(Placement((side, side)) for side in (64, 96))
    plan = ScoredPlan((5, 6), (first, second), ((64, 64), (96, 96)))
    part = ScoredPlan((6,), (first[1:], second[1:]), ((64, 64), (96, 96)))
    assert plan.part(1, 2) == part
