"""How the faster of two ways is found."""

from collections.abc import Callable

import pytest
import torch

from tasks.engine import timing
from tasks.engine.distributed import World
from tasks.engine.timing import ROUNDS, TimedRoute, agree_on_routes, speed_up

WORLD = World(0, 0, 1, torch.device("cpu"))


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


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> dict[str, TimedRoute]:
    """Two routes, of which one was measured to be worth it."""
    made = {"slow": TimedRoute(lambda: 1.05), "fast": TimedRoute(lambda: 1.6)}
    monkeypatch.setattr(timing, "TIMED_ROUTES", made)
    return made


def test_a_new_run_takes_what_was_measured_to_be_faster(routes: dict[str, TimedRoute]) -> None:
    assert agree_on_routes(WORLD, {}) == {"slow": False, "fast": True}
    assert [route.taken for route in routes.values()] == [False, True]


def test_a_resumed_run_keeps_its_routes_and_times_the_new_ones(
    routes: dict[str, TimedRoute],
) -> None:
    routes["slow"].measure = lambda: pytest.fail("timed")
    assert agree_on_routes(WORLD, {"slow": True, "gone": True}) == {"slow": True, "fast": True}
    assert routes["slow"].is_worth_it()


def test_a_process_decides_once() -> None:
    speeds = iter([1.6, 1.0])
    route = TimedRoute(lambda: next(speeds))
    assert route.is_worth_it()
    assert route.is_worth_it()
