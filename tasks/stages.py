"""Measure the seconds of loading by stage: loading code names its stages, a clock sums them up.
Imports nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

DECODE = "decode"
AUGMENT = "augment"
REST = "collate"
"""The stage of all time outside the other stages."""


class StageClock:
    """Seconds by stage; time in a nested stage counts for the inner one alone."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.seconds: dict[str, float] = {}
        self.current = REST
        self.since = now()

    def turn_to(self, name: str) -> str:
        """Count for another stage from now on; returns the previous one."""
        before = self.current
        time_now = self.now()
        self.seconds[before] = self.seconds.get(before, 0.0) + time_now - self.since
        self.current = name
        self.since = time_now
        return before

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Context that counts for a stage."""
        outer = self.turn_to(name)
        try:
            yield
        finally:
            self.turn_to(outer)


_clock: StageClock | None = None  # the clock of this process, while its stages are timed
_NOTHING = nullcontext()


def in_order(names: Iterable[str]) -> list[str]:
    """Sort stages in the order in which an image passes them, unknown ones before the last."""
    places = {DECODE: 0, AUGMENT: 1, REST: 3}
    return sorted(names, key=lambda name: places.get(name, 2))


def stage(name: str) -> AbstractContextManager[None]:
    """Context of a stage of loading; does nothing unless stages are timed."""
    return _NOTHING if _clock is None else _clock.inside(name)


@contextmanager
def timing_stages() -> Iterator[dict[str, float]]:
    """Context that sums up the seconds of this process by stage; complete once it is left."""
    global _clock
    outer = _clock
    _clock = StageClock()
    try:
        yield _clock.seconds
    finally:
        _clock.turn_to(REST)
        _clock = outer
