"""Stopping a run from outside: SIGTERM and SIGINT ask for it."""

import os
import signal
from types import FrameType, TracebackType

from tasks.engine.distributed import World

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Context in which SIGTERM and SIGINT are remembered instead of obeyed.

    A second Ctrl-C stops a single process at once; under torchrun it is ignored, as torchrun itself
    repeats signals.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.received: int | None = None
        self.process = os.getpid()

    def __enter__(self) -> "StopRequest":
        self.previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
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
        repeated = self.received is not None
        self.received = number
        if os.getpid() != self.process:  # a loader process that inherited this handler
            return
        if repeated and number == signal.SIGINT and self.world.size == 1:
            raise KeyboardInterrupt
        if not repeated and self.world.is_main:
            # print is not safe in a handler
            os.write(2, b"\nstopping once what is being done is finished and saved\n")

    def agreed(self) -> bool:
        """Whether any rank was asked to stop; every rank must ask at the same point of the step."""
        return self.world.any(self.received is not None)

    @property
    def exit_code(self) -> int:
        """128 plus the signal, as shells report it; SIGTERM's for a rank that received none."""
        return 128 + (self.received or signal.SIGTERM)
