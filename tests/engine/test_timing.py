"""How the faster of two ways is found."""

from collections.abc import Callable

import pytest
import torch

from tasks.engine import timing
from tasks.engine.distributed import World
from tasks.engine.timing import ROUNDS, TimedRoute, agree_on_routes, seconds, speed_up

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


def test_one_thread_computes_while_it_is_timed() -> None:
    """Barriers would make a busy machine slower at the one than at the other."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen: list[int] = []

    def timer(call: Callable[[], object]) -> float:
        seen.append(torch.get_num_threads())
        return 1.0

    speed_up(lambda: 0, lambda: 0, timer)
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert (set(seen), after) == ({1}, 2)


def test_time_that_other_processes_take_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the wall goes on while this thread has no processor."""
    walls = iter([10.0, 99.0])
    own = iter([1.0, 1.25])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(timing.time, "thread_time", lambda: next(own))
    assert seconds(lambda: None) == 0.25


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
