"""Judge a claim about networks by trainings with several seeds."""

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
    " where one is named; or that it is above or below a number. It counts as seen, or as not seen,"
    f" where the difference is more than {DEVIATIONS:g} standard deviations of the seeds away from"
    " that margin: the networks' deviations pooled, which is never less than the deviation of the"
    " difference of two means. Anything less, or a network with a single seed, is not separable"
    " here."
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A source's claim about two networks: `measure` of `larger` minus that of `smaller` is more
    than `margin`; a network that is None counts as 0.
    """

    text: str
    source: str
    """Paper, and its figure, table or section."""
    published: str
    """Figures of the source."""
    study: str
    measure: str
    larger: str | None
    smaller: str | None
    margin: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A source's claim that no study tests."""

    text: str
    source: str
    published: str
    needs: str
    """Data and commands that a test would need."""


@dataclass(frozen=True)
class Judgement:
    """Our figures for a claim, and the verdict."""

    figure: str
    verdict: str


def judge(claim: Claim, values: Values) -> Judgement:
    """Compare the networks of a claim by the values of its measure."""
    names = [name for name in (claim.larger, claim.smaller) if name is not None]
    samples = [values.get(name, ()) for name in names]
    if not all(samples):
        return Judgement("", NOT_RUN)
    means = dict(zip(names, map(mean, samples), strict=True))
    larger = 0.0 if claim.larger is None else means[claim.larger]
    smaller = 0.0 if claim.smaller is None else means[claim.smaller]
    figure = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    if len(names) == 2:
        figure = f"{figure}: {larger - smaller:+.2f}"
    if min(map(len, samples)) < 2:
        return Judgement(f"{figure}, a single seed", UNCLEAR)
    deviation = pooled_deviation(samples)
    beyond = larger - smaller - claim.margin
    figure = f"{figure} (deviation {deviation:.2f})"
    if not abs(beyond) > DEVIATIONS * deviation:
        return Judgement(figure, UNCLEAR)
    return Judgement(figure, SEEN if beyond > 0 else NOT_SEEN)


def pooled_deviation(samples: Sequence[Sequence[float]]) -> float:
    """Standard deviation within samples of at least two values, weighted by degrees of freedom."""
    squares = sum((len(sample) - 1) * variance(sample) for sample in samples)
    return math.sqrt(squares / sum(len(sample) - 1 for sample in samples))
