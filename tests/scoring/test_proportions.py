"""Intervals and p-values against published examples and sums done by hand."""

import math

import pytest

from tasks.scoring.proportions import mcnemar_p_value, wilson_interval


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_of_newcombe(right: int, images: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    assert wilson_interval(right, images) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_of_no_image_is_not_a_number() -> None:
    assert all(map(math.isnan, wilson_interval(0, 0)))


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (1, 9, 2 * (1 + 10) / 1024),
        (6, 2, 2 * (1 + 8 + 28) / 256),
        (12, 40, 2 * sum(math.comb(52, i) for i in range(13)) / 2**52),
    ],
)
def test_p_values_by_hand(gained: int, lost: int, expected: float) -> None:
    assert mcnemar_p_value(gained, lost) == pytest.approx(expected, rel=1e-12)
    assert mcnemar_p_value(lost, gained) == mcnemar_p_value(gained, lost)


def test_thousands_of_changes_come_near_the_normal_distribution() -> None:
    gained, lost = 20_000, 20_400
    z = (lost - gained - 1) / math.sqrt(gained + lost)  # with the correction for continuity
    assert mcnemar_p_value(gained, lost) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)
