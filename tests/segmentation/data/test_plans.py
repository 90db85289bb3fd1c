"""Where crops and scales lie, before any image is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from tiny_segmenter import tiny_config

from tasks.segmentation.data.plans import (
    PLACES,
    ScoredPlan,
    TrainPlans,
    crop_at,
    other_places,
    scaled_placement,
)
from tasks.segmentation.data.read_splits import read_split
from tasks.vision.placement import Crop, ImagePlan, Placement

CROPPED = {"data__crop": 32, "data__scale_jitter": "[0.5,2.0]"}


def test_a_crop_lies_anywhere_in_the_image() -> None:
    assert crop_at((10, 20), 4, 0.0, 0.0) == Crop(0, 0, (4, 4))
    assert crop_at((10, 20), 4, 0.5, 0.999) == Crop(3, 16, (4, 4))


def test_a_crop_reaches_past_a_smaller_image() -> None:
    assert crop_at((3, 20), 4, 0.999, 0.5) == Crop(0, 8, (4, 4))
    assert Placement((3, 20), crop_at((3, 20), 4, 0.999, 0.5)).final_size == (3, 4)


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


def test_other_places_change_the_place_alone() -> None:
    own = Placement((500, 700), Crop(3, 5, (32, 32)), flip=True)
    places = list(other_places(ImagePlan(0, key=7, placement=own)))
    assert places[0] == own
    assert len(set(places)) == len(places) == PLACES
    assert {replace(place, crop=None) for place in places} == {replace(own, crop=None)}
    for place in places:
        assert place.final_size == (32, 32)


def test_a_scale_is_a_factor_of_the_test_size(masks: Path) -> None:
    data = tiny_config(masks, data__val_short_edge=40).data
    assert scaled_placement((96, 128), data, 1.0).size == (40, 53)
    assert scaled_placement((96, 128), data, 1.5).size == (60, 80)
    assert scaled_placement((96, 256), data, 0.5).size == (12, 32)  # the long edge's half


def test_parts_keep_every_scale() -> None:
    first = tuple(Placement((side, side)) for side in (32, 48))
    second = tuple(Placement((side, side)) for side in (64, 96))
    plan = ScoredPlan((5, 6), (first, second), ((64, 64), (96, 96)))
    part = ScoredPlan((6,), (first[1:], second[1:]), ((64, 64), (96, 96)))
    assert plan.part(1, 2) == part
