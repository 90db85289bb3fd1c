"""Time how much faster one way of computing is than an equal one, on the machine that will do
it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from tasks.engine.distributed import World
from tasks.engine.threads import one_thread

WORTH_IT = 1.1
"""Least speed-up for the special way; a smaller one is within the noise of a short timing."""

ROUNDS = 40

Seconds = Callable[[Callable[[], object]], float]


@dataclass(eq=False)
class TimedRoute:
    """A way of computing that is used if it was measured to be faster.

    Two equal ways differ in the last bits. So a process decides once, and a run decides once for
    all its ranks and resumes.
    """

    measure: Callable[[], float]
    """Its speed-up on a CPU."""
    taken: bool | None = None
    """Whether it is used; None before the first question."""

    def is_worth_it(self) -> bool:
        """Whether it is used; decides at the first question."""
        if self.taken is None:
            self.taken = self.measure() >= WORTH_IT
        return self.taken


TIMED_ROUTES: dict[str, TimedRoute] = {}
"""Every timed route of the imported modules, by a name that checkpoints keep."""


def timed_route(name: str, measure: Callable[[], float]) -> TimedRoute:
    """Register a timed route for the runs of this process."""
    TIMED_ROUTES[name] = TimedRoute(measure)
    return TIMED_ROUTES[name]


def agree_on_routes(world: World, kept: Mapping[str, bool]) -> dict[str, bool]:
    """Decide every timed route for all ranks: as a resumed run `kept` it, otherwise as rank 0
    measures. Collective; a GPU uses none of them.
    """
    if world.device.type != "cpu":
        return {}
    decided: dict[str, bool] = {}
    if world.is_main:
        for name, route in TIMED_ROUTES.items():
            decided[name] = kept[name] if name in kept else route.is_worth_it()
    decided = world.broadcast(decided)
    for name, taken in decided.items():
        TIMED_ROUTES[name].taken = taken
    return decided


def seconds(call: Callable[[], object]) -> float:
    """Measure this thread's processor seconds in one call, without gradients; waiting for other
    processes does not count.
    """
    with torch.no_grad():
        started = time.thread_time()
        call()
        return time.thread_time() - started


def speed_up(
    plain: Callable[[], object], special: Callable[[], object], timer: Seconds = seconds
) -> float:
    """Measure how many times faster `special` is than `plain` in one thread: the best of many calls
    in turn, after one call of each to warm up.

    Another process may disturb the caches during a few calls in a row, but a disturbed call is
    never the best.
    """
    with one_thread():
        timer(plain), timer(special)
        rounds = [(timer(plain), timer(special)) for _ in range(ROUNDS)]
    best = min(second for _, second in rounds)
    return min(first for first, _ in rounds) / max(best, 1e-9)  # a coarse clock may say 0
