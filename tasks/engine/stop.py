"""Stopping and saving a run from outside, by signals."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType, TracebackType
from typing import NoReturn

from tasks.engine.distributed import World
from tasks.engine.settings import RunConfig
from tasks.engine.watchdog import Watchdog
from tasks.engine.wish import ask_for_stop

ENDING, SAVING = [signal.SIGTERM, signal.SIGINT], list[int]()
if sys.platform != "win32":  # Windows has no others
    ENDING.append(signal.SIGHUP)
    SAVING.append(signal.SIGUSR1)
ONE_REQUEST = 1.0
"""Seconds within which the same request may come twice, by a signal to the group and by the
parent's.
"""


class Wish(IntEnum):
    """The request to a run; over several ranks the largest counts."""

    NOTHING = 0
    SAVE = 1
    STOP = 2
    """To save, and to end."""


class StopRequest:
    """Context that records signals instead of obeying them: SIGTERM, SIGINT and SIGHUP request a
    stop, SIGUSR1 a save.

    A run that has not stopped after `within` seconds is ended without a save, whatever it waits
    for. A second Ctrl-C, or another signal a second later, stops a single process at once; under
    torchrun it is ignored, as torchrun itself repeats signals. SIGHUP stays ignored if `nohup`
    started the process.
    """

    def __init__(self, world: World, within: float = RunConfig.stop_within) -> None:
        self.world = world
        self.farewell: Callable[[], str] = lambda: "not stopped in time, and ended"
        """Makes the message of a run that is ended without a save."""
        self.received: int | None = None
        self.asked_at = 0.0
        self.is_save_asked_for = False
        self.process = os.getpid()
        self.watchdog = Watchdog(ENDING, within, lambda: self.farewell())

    def __enter__(self) -> "StopRequest":
        self.previous = {
            number: signal.signal(number, self._remember)
            for number in (*ENDING, *SAVING)
            if not _is_left_alone(number)
        }
        self.watchdog.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.watchdog.stop()
        ask_for_stop(False)
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if number in SAVING:
            self.is_save_asked_for = True
            return
        repeated = self.received is not None
        self.received = number
        if os.getpid() != self.process:  # a loader process that inherited this handler
            return
        if repeated and self.world.size == 1:
            self._obey_at_once(number)
        elif not repeated:
            self.asked_at = time.monotonic()
            ask_for_stop(True)
            if self.world.is_main:
                # print is not safe in a handler
                os.write(2, b"\nstopping once the current work is finished and saved\n")

    def _obey_at_once(self, number: int) -> None:
        """Leave, unless it is the same request again."""
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if time.monotonic() > self.asked_at + ONE_REQUEST:
            raise SystemExit(128 + number)

    def agreed(self) -> Wish:
        """Return the request to any rank; every rank must call it at the same point of the step. A
        save is returned once.
        """
        own = Wish.SAVE if self.is_save_asked_for else Wish.NOTHING
        self.is_save_asked_for = False
        own = own if self.received is None else Wish.STOP
        return Wish(self.world.largest(own))

    @property
    def exit_code(self) -> int:
        """Exit status: 128 plus the signal, as in shells; SIGTERM's for a rank that received
        none.
        """
        return 128 + (self.received or signal.SIGTERM)


@contextmanager
def leaving_with(line: str) -> Iterator[None]:
    """Context in which a stop signal ends the run at once, with a line that says what is
    missing.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        os.write(2, f"\n{line}\n".encode())
        raise SystemExit(128 + number)

    numbers = [number for number in ENDING if not _is_left_alone(number)]
    previous = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Context in which SIGINT interrupts, even if a shell made a background process ignore it."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if not ignored:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_left_alone(number: int) -> bool:
    """Whether the process was started to outlive its terminal, as with nohup.

    An ignored SIGINT does not count, as shells make all background processes ignore it.
    """
    ignored = signal.getsignal(number) == signal.SIG_IGN
    return sys.platform != "win32" and number == signal.SIGHUP and ignored
