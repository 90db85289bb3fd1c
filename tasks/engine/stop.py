"""Stopping and saving a run from outside, by signals."""

import os
import signal
import sys
from enum import IntEnum
from types import FrameType, TracebackType

from tasks.engine.distributed import World

ENDING, SAVING = [signal.SIGTERM, signal.SIGINT], list[int]()
if sys.platform != "win32":  # which has no others
    ENDING.append(signal.SIGHUP)
    SAVING.append(signal.SIGUSR1)


class Wish(IntEnum):
    """What a run is asked for; of several ranks' the largest counts."""

    NOTHING = 0
    SAVE = 1
    STOP = 2
    """To save, and to end."""


class StopRequest:
    """Context in which signals are remembered instead of obeyed: SIGTERM, SIGINT and SIGHUP ask for
    a stop, SIGUSR1 for a save.

    A second Ctrl-C stops a single process at once; under torchrun it is ignored, as torchrun itself
    repeats signals. SIGHUP stays ignored where `nohup` started the process.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.received: int | None = None
        self.is_save_asked_for = False
        self.process = os.getpid()

    def __enter__(self) -> "StopRequest":
        self.previous = {
            number: signal.signal(number, self._remember)
            for number in (*ENDING, *SAVING)
            if not _is_left_alone(number)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        if repeated and number == signal.SIGINT and self.world.size == 1:
            raise KeyboardInterrupt
        if not repeated and self.world.is_main:
            # print is not safe in a handler
            os.write(2, b"\nstopping once what is being done is finished and saved\n")

    def agreed(self) -> Wish:
        """What any rank was asked for; every rank must ask at the same point of the step. A save
        is asked for once.
        """
        own = Wish.SAVE if self.is_save_asked_for else Wish.NOTHING
        self.is_save_asked_for = False
        own = own if self.received is None else Wish.STOP
        return Wish(self.world.largest(own))

    @property
    def exit_code(self) -> int:
        """128 plus the signal, as shells report it; SIGTERM's for a rank that received none."""
        return 128 + (self.received or signal.SIGTERM)


def _is_left_alone(number: int) -> bool:
    """Whether the process was started to outlive its terminal.

    SIGINT is obeyed all the same, as shells have whatever they start in the background ignore it.
    """
    ignored = signal.getsignal(number) == signal.SIG_IGN
    return sys.platform != "win32" and number == signal.SIGHUP and ignored
