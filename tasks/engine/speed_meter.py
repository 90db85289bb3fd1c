"""Measure the speed of training."""

import contextlib
import time
from collections.abc import Iterator

from tasks.engine.batches import Feed

WARM_STEPS = 5
"""First steps of a process, which are slower than the others and not timed."""


class SpeedMeter:
    """Speed of the steps since the last reading, and of all; evaluations and saves do not count."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.counted = 0
        self.began = time.perf_counter()
        self.warm = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin a new reading."""
        self.started = time.perf_counter()
        self.waited_before = self.feed.seconds_waited
        self.steps = 0

    def count(self) -> None:
        """Count a finished step."""
        self.steps += 1
        self.counted += 1
        if self.counted == WARM_STEPS:
            self.warm = self.elapsed()

    def elapsed(self) -> float:
        """Seconds of training in this process."""
        return time.perf_counter() - self.began

    def seconds_per_step(self) -> float:
        """Mean seconds of the steps after the first WARM_STEPS."""
        return (self.elapsed() - self.warm) / max(1, self.counted - WARM_STEPS)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Context whose duration does not count."""
        entered = time.perf_counter()
        yield
        duration = time.perf_counter() - entered
        self.started += duration
        self.began += duration

    def read(self, batch_size: int) -> tuple[dict[str, float], float]:
        """Return `images_per_s`, the `data_share` of the time, and the seconds per step; then
        reset.
        """
        seconds = max(time.perf_counter() - self.started, 1e-9)
        waited = self.feed.seconds_waited - self.waited_before
        row = {
            "images_per_s": self.steps * batch_size / seconds,
            "data_share": min(1.0, waited / seconds),
        }
        per_step = seconds / max(1, self.steps)
        self.restart()
        return row, per_step
