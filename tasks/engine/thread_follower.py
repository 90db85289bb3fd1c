"""Adapt a training's number of threads to the cores that other processes leave free."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.cores import ROOT, CoreTimes, nearest, read_core_times, seconds_of_children
from tasks.engine.threads import ThreadChoice

FOLLOW_SECONDS = 10.0
"""Seconds between two readings."""


@dataclass(frozen=True)
class Reading:
    """Times of the cores and of our processes so far."""

    at: float
    cores: CoreTimes
    ours: float
    """Processor seconds of this process and of its loader's workers."""


def take_reading(system: Path = ROOT) -> Reading | None:
    """Take a reading; None if the system does not provide it."""
    cores = read_core_times(system)
    if cores is None:
        return None
    ended = os.times()
    ours = time.process_time() + ended.children_user + ended.children_system
    ours += seconds_of_children(system)
    return Reading(time.monotonic(), cores, ours)


class ThreadFollower:
    """Follows the free cores while a run of run.threads=auto trains.

    The cores that we used and the idle ones are available to us. A change needs two readings in a
    row, so that another process's short work changes nothing.
    """

    def __init__(
        self, choice: ThreadChoice, read: Callable[[], Reading | None] = take_reading
    ) -> None:
        self.limit = choice.limit
        self.number = choice.number
        self.read = read
        self.last = read() if choice.follows else None
        self.wish = self.number

    def look(self) -> str | None:
        """Set a new number of threads and return a line about it; None if it stays."""
        if self.last is None or time.monotonic() - self.last.at < FOLLOW_SECONDS:
            return None
        return self.judge()

    def judge(self) -> str | None:
        """Judge now, however little time went by since the last reading."""
        before, now = self.last, self.read()
        self.last = now
        if before is None or now is None:
            return None
        idle = now.cores.idle_since(before.cores)
        if idle is None:
            return None
        got = (now.ours - before.ours) / max(now.at - before.at, 1e-9)
        wish = self._fitting(got, idle)
        number = _milder(self.wish, wish, self.number)
        self.wish = wish
        return None if number == self.number else self._change(number, got, idle)

    def _fitting(self, got: float, idle: float) -> int:
        """Return the number of threads for which there are cores."""
        if nearest(got + idle) < self.number:
            return max(1, nearest(got + idle))
        return min(self.limit, max(self.number, nearest(self.number + idle)))

    def _change(self, number: int, got: float, idle: float) -> str:
        before, self.number = self.number, number
        torch.set_num_threads(number)
        threads = "1 thread" if number == 1 else f"{number} threads"
        seen = f"this run got {got:.1f} cores and {idle:.1f} were idle"
        return f"{threads} instead of {before}: {seen}; run.threads=N keeps a number"


def _milder(first: int, second: int, number: int) -> int:
    """Combine two wishes in a row: the one nearer to the present number if both lie on the same
    side of it, otherwise that number.
    """
    if max(first, second) < number:
        return max(first, second)
    if min(first, second) > number:
        return min(first, second)
    return number
