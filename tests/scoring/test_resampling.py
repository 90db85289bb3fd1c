"""Bootstrap samples of images: against the textbook's loop, and paired."""

import math

import numpy as np
import pytest

from tasks.scoring.resampling import interval_of, resample


def test_sums_are_those_of_the_drawn_images() -> None:
    counts = np.random.default_rng(3).integers(0, 1000, (7, 3, 2)).astype(np.int32)
    random = np.random.default_rng(0)
    expected = [counts[random.integers(0, 7, 7)].sum(axis=0) for _ in range(20)]
    np.testing.assert_array_equal(resample(counts, 20), np.array(expected))


def test_equal_images_have_no_spread() -> None:
    counts = np.full((9, 3, 2), 5, np.int32)
    assert (resample(counts, 10) == 45).all()


def test_the_interval_of_a_share_is_about_that_of_the_normal_law() -> None:
    right = np.random.default_rng(1).random(2000) < 0.3
    share = right.mean()
    low, high = interval_of(resample(right.astype(np.int32)[:, None], 2000)[:, 0] / 2000)
    width = 1.96 * math.sqrt(share * (1 - share) / 2000)
    assert (low, high) == pytest.approx((share - width, share + width), abs=0.002)


def test_samples_without_a_value_are_left_out() -> None:
    assert interval_of(np.array([math.nan, 2.0, 2.0])) == (2.0, 2.0)
    assert all(map(math.isnan, interval_of(np.array([math.nan, math.nan]))))


def test_no_image_gives_nothing_to_resample() -> None:
    assert not resample(np.zeros((0, 3, 2), np.int32), 4).any()
