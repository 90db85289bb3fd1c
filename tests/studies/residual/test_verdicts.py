"""The rule by which a claim counts as seen, by numbers made by hand."""

import pytest

from studies.residual.verdicts import (
    NOT_RUN,
    NOT_SEEN,
    SEEN,
    UNCLEAR,
    Claim,
    judge,
    pooled_deviation,
)


def claim(larger: str | None = "deep", smaller: str | None = "flat", margin: float = 0.0) -> Claim:
    return Claim(
        text="",
        source="",
        published="",
        study="",
        measure="",
        larger=larger,
        smaller=smaller,
        margin=margin,
    )


def test_deviations_are_pooled_by_their_degrees_of_freedom() -> None:
    # squares 2 of 2 degrees of freedom and 8 of 1: sqrt(10 / 3)
    assert pooled_deviation([[1.0, 2.0, 3.0], [1.0, 5.0]]) == pytest.approx(1.8257, abs=1e-4)


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        ([12.0, 14.0], SEEN),  # 13 - 10 is more than twice the deviation, sqrt(2)
        ([11.5, 13.5], UNCLEAR),  # 2.5 is less
        ([9.0, 11.0], UNCLEAR),  # no difference
        ([8.5, 6.5], UNCLEAR),
        ([6.0, 8.0], NOT_SEEN),  # the other way round
    ],
)
def test_a_difference_counts_beyond_two_deviations(deep: list[float], verdict: str) -> None:
    flat = [9.0, 11.0]
    assert judge(claim(), {"deep": deep, "flat": flat}).verdict == verdict


@pytest.mark.parametrize(
    ("margin", "verdict"), [(2.9, SEEN), (3.0, UNCLEAR), (3.1, NOT_SEEN), (-1.0, SEEN)]
)
def test_the_difference_is_taken_from_the_margin(margin: float, verdict: str) -> None:
    values = {"deep": [13.0, 13.0], "flat": [10.0, 10.0]}
    assert judge(claim(margin=margin), values).verdict == verdict


@pytest.mark.parametrize(
    ("larger", "smaller", "margin", "verdict"),
    [("deep", None, 1.0, SEEN), (None, "deep", -1.0, NOT_SEEN), (None, "deep", -10.0, SEEN)],
)
def test_a_network_is_compared_with_a_number(
    larger: str | None, smaller: str | None, margin: float, verdict: str
) -> None:
    values = {"deep": [5.0, 5.5]}  # deviation 0.35
    assert judge(claim(larger, smaller, margin), values).verdict == verdict


def test_a_single_seed_separates_nothing() -> None:
    judgement = judge(claim(), {"deep": [90.0], "flat": [10.0, 11.0]})
    assert judgement.verdict == UNCLEAR
    assert judgement.figure == "deep 90.00, flat 10.50: +79.50, a single seed"


def test_a_network_that_is_not_there_was_not_run() -> None:
    assert judge(claim(), {"deep": [90.0, 91.0]}).verdict == NOT_RUN


def test_means_difference_and_deviation_are_told() -> None:
    judgement = judge(claim(), {"deep": [12.0, 14.0], "flat": [9.0, 11.0]})
    assert judgement.figure == "deep 13.00, flat 10.00: +3.00 (deviation 1.41)"
