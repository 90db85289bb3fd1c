"""Child processes of a parent that has torch loaded, with limits of time, memory and file size."""

import fcntl
import io
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tasks.cli.main import main

limit = 60.0
"""Seconds that a command may take, unless `set_limit` says otherwise."""
MEMORY = 12 << 30
"""Bytes of address space of a process, most of which torch's libraries take but never touch."""
SHORTEST_SLEEP = 0.002
LONGEST_SLEEP = 0.05
Action = Callable[[], int | None]


@dataclass(frozen=True)
class Ended:
    """A process that is no more."""

    status: int
    """Exit status; minus the signal that ended it."""
    timed_out: bool
    output: str
    error: str
    seconds: float
    processor: float
    """Seconds of processor time."""
    memory: int
    """Largest resident memory in MiB, with what it shares with its parent."""
    left_over: bool
    """Whether a process of its group was still there, which was then killed."""

    @property
    def has_traceback(self) -> bool:
        """Whether a traceback reached the user."""
        return "Traceback (most recent call last)" in self.error

    @property
    def line(self) -> str:
        """The line that tells the error; else the last line."""
        lines = [line for line in self.error.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("error: ")]
        return (told or lines or [""])[-1]


def set_limit(seconds: float) -> None:
    """Give commands more or less time, as where the machine does something else beside."""
    global limit
    limit = seconds


class Started:
    """A running child with a process group of its own."""

    def __init__(self, pid: int, name: str, folder: Path, pipe: int | None) -> None:
        self.pid = pid
        self.name = name
        self.folder = folder
        self.pipe = pipe
        self.began = time.monotonic()

    def kill(self, *, group: bool) -> None:
        """Kill the process, or all of its group, as it is in the middle of something."""
        if group:
            os.killpg(self.pid, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> Ended:
        """Wait for its end, for so long at most; what is left of its group is killed."""
        ended = self.poll(limit if seconds is None else seconds)
        if ended is None:
            self.kill(group=True)
            ended = os.wait4(self.pid, 0)[1:]
            return self._ended(*ended, timed_out=True)
        return self._ended(*ended, timed_out=False)

    def is_gone(self, seconds: float) -> bool:
        """Whether every process of its group ends within so long."""
        deadline = time.monotonic() + seconds
        while is_group_alive(self.pid) and time.monotonic() < deadline:
            time.sleep(LONGEST_SLEEP)
        return not is_group_alive(self.pid)

    def poll(self, seconds: float) -> tuple[int, resource.struct_rusage] | None:
        """Wait so long for its end: the wait status and what it used, or None."""
        deadline = time.monotonic() + seconds
        pause = SHORTEST_SLEEP
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                return status, usage
            if time.monotonic() >= deadline:
                return None
            time.sleep(pause)
            pause = min(LONGEST_SLEEP, pause * 1.5)

    def _ended(self, status: int, usage: resource.struct_rusage, *, timed_out: bool) -> Ended:
        seconds = time.monotonic() - self.began
        left_over = not timed_out and is_group_alive(self.pid)
        if left_over:
            os.killpg(self.pid, signal.SIGKILL)
        if self.pipe is not None:
            with os.fdopen(self.pipe, "rb") as pipe:
                (self.folder / f"{self.name}.err").write_bytes(pipe.read())
        return Ended(
            status=os.waitstatus_to_exitcode(status),
            timed_out=timed_out,
            output=_read(self.folder / f"{self.name}.out"),
            error=_read(self.folder / f"{self.name}.err"),
            seconds=seconds,
            processor=usage.ru_utime + usage.ru_stime,
            memory=usage.ru_maxrss // 1024,
            left_over=left_over,
        )


def is_group_alive(group: int) -> bool:
    """Whether a process of the group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def start(action: Action, folder: Path, name: str, file_bytes: int | None = None) -> Started:
    """Fork a process that stands in `folder` and writes NAME.out and NAME.err there.

    `file_bytes` is the size that no file it writes may exceed: the rest fails to be written. What
    such a process prints goes through a pipe, whatever its size.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pipe, printed = (None, None) if file_bytes is None else _wide_pipe()
    pid = os.fork()
    if pid == 0:
        _become(action, folder, _Outlet(name, printed), file_bytes)
    if printed is not None:
        os.close(printed)
    return Started(pid, name, folder, pipe)


def _wide_pipe() -> tuple[int, int]:
    """A pipe that holds a mebibyte before anybody reads."""
    pipe, printed = os.pipe()
    fcntl.fcntl(printed, fcntl.F_SETPIPE_SZ, 1 << 20)
    return pipe, printed


def command(
    words: Sequence[object], folder: Path, name: str = "", seconds: float | None = None
) -> Ended:
    """Run `backbones WORD…` in `folder`, as `name`, which is the first word unless given."""
    return begin(words, folder, name).wait(seconds)


def begin(
    words: Sequence[object], folder: Path, name: str = "", file_bytes: int | None = None
) -> Started:
    """Start `backbones WORD…` in `folder`."""
    texts = [str(word) for word in words]

    def action() -> int:
        sys.argv = ["backbones", *texts]
        return main(texts)

    return start(action, folder, name or texts[0], file_bytes)


def call(action: Action, folder: Path, name: str = "call", seconds: float | None = None) -> Ended:
    """Run a function in a process of its own."""
    return start(action, folder, name).wait(seconds)


@dataclass(frozen=True)
class _Outlet:
    """Where a child's output goes: to the files of a name, or into a pipe."""

    name: str
    pipe: int | None

    def take(self) -> None:
        """Make it this process's output."""
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for number, ending in ((1, "out"), (2, "err")):
            if self.pipe is not None:
                os.dup2(self.pipe, number)
                continue
            with Path(f"{self.name}.{ending}").open("wb") as file:
                os.dup2(file.fileno(), number)
        sys.stdout = _text_stream(1, "strict")
        sys.stderr = _text_stream(2, "backslashreplace")


def _text_stream(number: int, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", errors, line_buffering=True)


def _become(action: Action, folder: Path, outlet: _Outlet, file_bytes: int | None) -> NoReturn:
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        outlet.take()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        status = _status_of(action)
        sys.stdout.flush()
    except BaseException:  # of the action: a fault that the campaign looks for
        traceback.print_exc()
    finally:
        os._exit(status)  # nothing of the parent's is cleared up by the child


def _status_of(action: Action) -> int:
    try:
        return action() or 0
    except SystemExit as stopped:
        if isinstance(stopped.code, str):
            print(stopped.code, file=sys.stderr)
            return 1
        return stopped.code or 0


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""
