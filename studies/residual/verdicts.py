"""Whether trainings that differ by seed show what was claimed of their networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, variance

from studies.residual.measures import Values

SEEN, NOT_SEEN = "seen", "not seen"
UNCLEAR, NOT_RUN = "not separable here", "not run yet"
DEVIATIONS = 2.0
RULE = (
    "A claim says that one network's mean over the seeds is above another's, by more than a margin"
    " where one is named. It counts as seen, or as not seen, where the difference of the means is"
    f" more than {DEVIATIONS:g} standard deviations of the seeds away from that margin: the two"
    " networks' deviations pooled, which is never less than the deviation of the difference of"
    " their means. Anything less, or a network with a single seed, is not separable here."
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a source says of two networks: `measure` of `larger` less that of `smaller` is more
    than `margin`.
    """

    text: str
    source: str
    """Paper, and figure, table or section."""
    published: str
    """Its figures."""
    study: str
    measure: str
    larger: str
    smaller: str
    margin: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """What came out of a claim."""

    figure: str
    verdict: str


def judge(claim: Claim, values: Values) -> Judgement:
    """Compare the two networks of a claim."""
    larger = values.get(claim.larger, ())
    smaller = values.get(claim.smaller, ())
    if not larger or not smaller:
        return Judgement("", NOT_RUN)
    difference = mean(larger) - mean(smaller)
    figure = (
        f"{claim.larger} {mean(larger):.2f}, {claim.smaller} {mean(smaller):.2f}: {difference:+.2f}"
    )
    if min(len(larger), len(smaller)) < 2:
        return Judgement(f"{figure}, a single seed", UNCLEAR)
    deviation = pooled_deviation(larger, smaller)
    beyond = difference - claim.margin
    figure = f"{figure} (deviation {deviation:.2f})"
    if not abs(beyond) > DEVIATIONS * deviation:
        return Judgement(figure, UNCLEAR)
    return Judgement(figure, SEEN if beyond > 0 else NOT_SEEN)


def pooled_deviation(one: Sequence[float], other: Sequence[float]) -> float:
    """Standard deviation within two samples of at least two values, by their degrees of freedom."""
    squares = (len(one) - 1) * variance(one) + (len(other) - 1) * variance(other)
    return math.sqrt(squares / (len(one) + len(other) - 2))
