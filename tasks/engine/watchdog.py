"""End a process that was asked to stop and does not, whatever it waits for."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import NoReturn


class Watchdog:
    """A thread that receives signals at once, even while the main thread waits in a library and
    Python's own handlers do not run.

    `seconds` after the first of `numbers` it prints `farewell()` and ends the process.
    """

    def __init__(
        self, numbers: Collection[int], seconds: float, farewell: Callable[[], str]
    ) -> None:
        self.numbers = numbers
        self.seconds = seconds
        self.farewell = farewell

    def start(self) -> None:
        """Begin to watch signals; call it in the main thread."""
        self.ear, self.mouth = socket.socketpair()
        self.mouth.setblocking(False)
        self.previous = signal.set_wakeup_fd(self.mouth.fileno(), warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self._listen, name="watchdog", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Stop watching signals; call it in the main thread."""
        signal.set_wakeup_fd(self.previous, warn_on_full_buffer=False)
        self.mouth.shutdown(socket.SHUT_RDWR)  # closing is not enough if a fork has it too
        self.thread.join()
        self.mouth.close()
        self.ear.close()

    def _listen(self) -> None:
        heard = self.ear.recv(1)
        while heard and heard[0] not in self.numbers:
            heard = self.ear.recv(1)
        if not heard:
            return
        number = heard[0]
        deadline = time.monotonic() + self.seconds
        while heard:
            self.ear.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                heard = self.ear.recv(1)
            except TimeoutError:
                break
        if heard and not _is_interactive():
            end_process(128 + number, self.farewell())


def end_process(status: int, line: str) -> NoReturn:
    """Print a line, and end this process and its workers at once, from any thread."""
    os.write(2, f"\n{line}\n".encode())
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(status)


def _is_interactive() -> bool:
    """Whether people work in this process, and would lose more than the run."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
