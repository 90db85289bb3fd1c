"""Measures that turn the rows of a training, or of a trained net, into one number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Generic, Protocol, TypeVar

from studies.residual.points import AT_THE_END, ON_THE_WAY, Point

Values = Mapping[str, Sequence[float]]
"""For each network, a value of each seed."""
EARLY = 0.25
"""Share of a training that counts as early; the learning rate is still at its first value."""
HALF = 50.0
"""Training error in percent; measured is the time until it is reached."""


class OfRun(Protocol):
    """A row of a training or of a trained net."""

    @property
    def run(self) -> str:
        """Name of the run."""

    @property
    def network(self) -> str:
        """Name of the network in the tables."""


Row = TypeVar("Row", bound=OfRun)


@dataclass(frozen=True)
class Measure(Generic[Row]):
    """A unit, and a function from the rows of a run to a value or None."""

    unit: str
    of: Callable[[Sequence[Row]], float | None]


def measured(rows: Iterable[Row], measure: Measure[Row]) -> dict[str, list[float]]:
    """Apply a measure to every run; values by network, in the order of the rows."""
    values: dict[str, list[float]] = {}
    for _, group in groupby(rows, key=lambda row: row.run):
        of_run = list(group)
        value = measure.of(of_run)
        if value is not None:
            values.setdefault(of_run[0].network, []).append(value)
    return values


def final_train_error(points: Sequence[Point]) -> float | None:
    """Error of the regularly scored training images at the last step."""
    return _on_the_way(points)[-1].train_error


def early_train_error(points: Sequence[Point]) -> float | None:
    """The same error at the first evaluation after EARLY of the steps."""
    way = _on_the_way(points)
    last = way[-1].step
    return next(point.train_error for point in way if point.step >= EARLY * last)


def mean_train_error(points: Sequence[Point]) -> float | None:
    """Mean of that error over all evaluations; it is lower if the error fell faster."""
    found = [point.train_error for point in _on_the_way(points)]
    errors = [error for error in found if error is not None]
    return sum(errors) / len(errors) if errors else None


def epochs_to_half(points: Sequence[Point]) -> float | None:
    """Epoch at which the training error reached HALF, interpolated between evaluations; the length
    of training if it never did.
    """
    way = _on_the_way(points)
    if way[0].train_error is None or way[0].train_error <= HALF:
        return None if way[0].train_error is None else way[0].epoch
    for before, after in pairwise(way):
        if before.train_error is None or after.train_error is None:
            return None
        if after.train_error <= HALF:
            share = (before.train_error - HALF) / (before.train_error - after.train_error)
            return before.epoch + share * (after.epoch - before.epoch)
    return way[-1].epoch


def full_train_error(points: Sequence[Point]) -> float | None:
    """Error of all training images after the last step."""
    return points[-1].train_error


def full_test_error(points: Sequence[Point]) -> float | None:
    """Error of all test images after the last step."""
    return points[-1].test_error


MEASURES: Mapping[str, Measure[Point]] = {
    "training error": Measure("%", final_train_error),
    "early training error": Measure("%", early_train_error),
    "mean training error": Measure("%", mean_train_error),
    "time to 50 % training error": Measure("epochs", epochs_to_half),
    "training error, all images": Measure("%", full_train_error),
    "test error": Measure("%", full_test_error),
}
"""Measures by their name in the tables."""


def of_finished(points: Iterable[Point]) -> list[Point]:
    """Points of the finished trainings."""
    kept: list[Point] = []
    for _, group in groupby(points, key=lambda point: point.run):
        of_run = list(group)
        if of_run[-1].when == AT_THE_END:
            kept += of_run
    return kept


def _on_the_way(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.when == ON_THE_WAY]
