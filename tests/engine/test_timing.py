"""How the faster of two ways is found."""

from collections.abc import Callable

import pytest

from tasks.engine.timing import ROUNDS, speed_up


def test_the_best_of_each_counts() -> None:
    """The first call of each is the slowest, and one later call is disturbed."""
    few = ROUNDS - 3
    times = {
        "plain": iter([90.0, 6, 3, 4, *[5] * few]),
        "special": iter([70.0, 2, 80, 1.5, *[2] * few]),
    }

    def timer(call: Callable[[], object]) -> float:
        return next(times[str(call())])

    assert speed_up(lambda: "plain", lambda: "special", timer) == pytest.approx(2.0)
    assert all(next(left, None) is None for left in times.values())
