"""The number of threads of a training follows the cores that other processes leave free."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.cores import ROOT, CoreTimes, nearest, read_core_times, seconds_of_children
from tasks.engine.threads import ThreadChoice

FOLLOW_SECONDS = 10.0
"""Time between two looks."""


@dataclass(frozen=True)
class Reading:
    """What the cores and our processes have done so far."""

    at: float
    cores: CoreTimes
    ours: float
    """Processor seconds of this process and of its loader's workers."""


def take_reading(system: Path = ROOT) -> Reading | None:
    """A reading of now; None if the system does not say."""
    cores = read_core_times(system)
    if cores is None:
        return None
    ended = os.times()
    ours = time.process_time() + ended.children_user + ended.children_system
    ours += seconds_of_children(system)
    return Reading(time.monotonic(), cores, ours)


class ThreadFollower:
    """Follows the free cores while a run of run.threads=auto trains.

    The cores that we got and those that idled are what there is for us. It takes two looks in a
    row, so that a neighbour's short work changes nothing.
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
        """A line about the new number of threads, which is set; None if it stays."""
        if self.last is None or time.monotonic() - self.last.at < FOLLOW_SECONDS:
            return None
        return self.judge()

    def judge(self) -> str | None:
        """The same, however little time went by."""
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
        """The number of threads for which there are cores."""
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
    """What two wishes in a row have in common: the one nearer to the present number where both are
    on the same side of it, or else that number.
    """
    if max(first, second) < number:
        return max(first, second)
    if min(first, second) > number:
        return min(first, second)
    return number
