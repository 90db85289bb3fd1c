"""One run at a time in a folder."""

import errno
import os
import re
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from resnet_backbones.errors import UserError
from tasks.engine.run_ending import forget_ending, note_ending

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)


class RunLock:
    """The lock of a run's folder. Rank 0 holds it from before it writes until it leaves.

    It is the system's lock of a file and ends with the process in any case; loader workers do not
    inherit it. The file names the holder; a killed process leaves it behind. Windows has no such
    locks, so nothing is locked there.
    """

    def __init__(self, folder: Path, *, active: bool) -> None:
        self.folder = folder
        self.active = active
        self.file: IO[str] | None = None

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.file is not None:
            note_ending(self.folder, error)
            (self.folder / LOCK).unlink(missing_ok=True)
            self.file.close()

    def check(self) -> None:
        """Take the lock of a folder that has been used; UserError if another run has it.

        Creates neither folder nor file.
        """
        if (self.folder / LOCK).exists():
            self.acquire()

    def acquire(self) -> None:
        """Take the lock, unless it is held already; UserError if another run has it."""
        if sys.platform == "win32" or not self.active or self.file is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOCK
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with file:
                raise self._refusal(file, error) from error
        if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.close()  # its last holder removed it just now
            self.acquire()
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")  # see `holder_of`
        file.flush()
        self.file = file
        forget_ending(self.folder)

    def _refusal(self, file: IO[str], error: OSError) -> UserError:
        where = f"run.output_dir={self.folder}"
        if error.errno not in _HELD:
            rule = f"{where} must be on a disk that supports file locks, got {error}"
            return UserError(f"{rule}; choose another folder")
        file.seek(0)
        holder = file.read().strip() or "another process"
        way_out = "wait for it, stop it, or choose another folder"
        return UserError(f"{where} must be used by one run at a time, got {holder}; {way_out}")


@dataclass(frozen=True)
class Holder:
    """The holder of a folder's lock, from its file."""

    process: int
    host: str
    lives: bool | None
    """Whether the process exists; None if this machine cannot tell."""


def holder_of(folder: Path) -> Holder | None:
    """Read the holder of a folder's lock, also one that was killed; None without a holder.

    The lock is not touched, except that a lock held by this process is lost.
    """
    try:
        text = (folder / LOCK).read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.fullmatch(r"process (\d+) on (\S+)\n?", text)
    if found is None:  # it is being written
        return None
    process = int(found[1])
    is_here = found[2] == socket.gethostname()
    lives: bool | None = _is_locked(folder / LOCK)
    if lives is None and is_here:
        lives = _is_running(process)
    if lives is False and not is_here:
        lives = None  # on shared disks locks may hold on one machine only
    return Holder(process, found[2], lives)


def _is_locked(path: Path) -> bool | None:
    """Whether a process has the system's lock of a file; None if the system cannot tell."""
    if sys.platform != "linux":
        return None
    form = "hhqqi"  # struct flock: type, whence, start, length, process
    question = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with path.open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
    except OSError:
        return None
    return bool(struct.unpack(form, answer)[0] != fcntl.F_UNLCK)


def _is_running(process: int) -> bool:
    """Whether a process exists on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
