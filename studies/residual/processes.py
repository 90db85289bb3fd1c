"""Run processes side by side and pass signals on to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.common import ROOT
from tasks.cores import usable_cores
from tasks.engine.stop import ENDING

PAUSE = 0.1
"""Seconds between two checks for ended processes."""


@dataclass(frozen=True)
class Task:
    """A module to run, and the log file for its output; None for that of this process."""

    name: str
    module: str
    arguments: tuple[str, ...]
    log: Path | None = None


@dataclass(frozen=True)
class Signal:
    """A signal received, and the processes that ran then and were told."""

    number: int
    told: tuple[subprocess.Popen[bytes], ...]


@dataclass
class Processes:
    """Up to `limit` processes at a time, which all inherit the file descriptor `held`."""

    limit: int
    held: int
    running: dict[subprocess.Popen[bytes], Task] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)

    @property
    def received(self) -> list[int]:
        """Signals received and passed on."""
        return [one.number for one in self.signals]

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, int]]:
        """Run tasks in order; yield each as it ends, with its exit status.

        After a signal, or a status other than 0, no further task is started.
        """
        waiting = list(tasks)
        with self._passing_signals_on():
            while waiting or self.running:
                while waiting and not self.signals and len(self.running) < self.limit:
                    self._start(waiting.pop(0))
                time.sleep(PAUSE)
                for task, status in self._ended():
                    waiting = [] if status else waiting
                    yield task, status
                if self.signals:
                    waiting = []

    def tell(self, number: int) -> None:
        """Send a signal to all running processes."""
        for process in self.running:
            process.send_signal(number)

    def _start(self, task: Task) -> None:
        command = [sys.executable, "-m", task.module, *task.arguments]
        log = None if task.log is None else task.log.open("ab")
        process = subprocess.Popen(
            command,
            start_new_session=True,  # so that Ctrl-C reaches it once, through this process
            pass_fds=(self.held,),
            env=_environment(self.limit),
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
        )
        if log is not None:
            log.close()
        self.running[process] = task
        for one in self.signals:  # those that came during the start
            if process not in one.told:
                process.send_signal(one.number)

    def _ended(self) -> list[tuple[Task, int]]:
        """Tasks that ended since the last check, with their exit status."""
        ended = [process for process in self.running if process.poll() is not None]
        return [(self.running.pop(process), process.returncode) for process in ended]

    @contextmanager
    def _passing_signals_on(self) -> Iterator[None]:
        """Context that passes on the signals that end a run, except those that this process was
        started to ignore.
        """

        def pass_on(number: int, frame: FrameType | None) -> None:
            told = tuple(self.running)
            self.signals.append(Signal(number, told))
            for process in told:
                process.send_signal(number)

        before = {number: signal.getsignal(number) for number in ENDING}
        obeyed = [number for number in ENDING if before[number] != signal.SIG_IGN]
        for number in obeyed:
            signal.signal(number, pass_on)
        try:
            yield
        finally:
            self.tell(signal.SIGTERM)  # where an error ends this process, what is running saves
            for number in obeyed:
                signal.signal(number, before[number])


def _environment(limit: int) -> dict[str, str]:
    """The environment of this process, with our modules on the path and the cores shared out."""
    found = dict(os.environ)
    path = found.get("PYTHONPATH")
    found["PYTHONPATH"] = f"{ROOT}{os.pathsep}{path}" if path else str(ROOT)
    if limit > 1:
        found.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // limit)))
    return found
