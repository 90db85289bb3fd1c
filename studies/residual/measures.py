"""One number of a finished training, of its points in their order; all errors in percent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from studies.residual.points import AT_THE_END, ON_THE_WAY, Point

Values = Mapping[str, Sequence[float]]
"""By network, one of each seed."""
EARLY = 0.25
"""Share of a training that is its beginning; the learning rate has not been lowered then."""


def final_train_error(points: Sequence[Point]) -> float | None:
    """Of the training images that are scored on the way, at the last step."""
    return _on_the_way(points)[-1].train_error


def early_train_error(points: Sequence[Point]) -> float | None:
    """The same after the beginning of training."""
    way = _on_the_way(points)
    last = way[-1].step
    return next(point.train_error for point in way if point.step >= EARLY * last)


def full_train_error(points: Sequence[Point]) -> float | None:
    """Of all training images."""
    return points[-1].train_error


def full_test_error(points: Sequence[Point]) -> float | None:
    """Of all test images."""
    return points[-1].test_error


MEASURES: Mapping[str, Callable[[Sequence[Point]], float | None]] = {
    "training error": final_train_error,
    "early training error": early_train_error,
    "training error, all images": full_train_error,
    "test error": full_test_error,
}


def measured(points: Iterable[Point], measure: str) -> dict[str, list[float]]:
    """A measure of every finished training by network, in the order of the points."""
    values: dict[str, list[float]] = {}
    for _, group in groupby(points, key=lambda point: point.run):
        of_run = list(group)
        if of_run[-1].when != AT_THE_END:
            continue
        value = MEASURES[measure](of_run)
        if value is not None:
            values.setdefault(of_run[0].network, []).append(value)
    return values


def _on_the_way(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.when == ON_THE_WAY]
