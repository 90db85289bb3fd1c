"""One run at a time in a folder."""

import errno
import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from resnet_backbones.errors import UserError

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)


class RunLock:
    """The lock of a run's folder, which rank 0 holds from before it writes until it has left.

    It is the system's lock of a file and ends with the process however that ends; loader workers do
    not inherit it. The file, which says who holds it, is left behind by a process that is killed.
    Windows has no such locks, and nothing is locked there.
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
            (self.folder / LOCK).unlink(missing_ok=True)
            self.file.close()

    def check(self) -> None:
        """Take the lock of a folder that has been used; UserError where another run has it.

        Makes neither folder nor file.
        """
        if (self.folder / LOCK).exists():
            self.acquire()

    def acquire(self) -> None:
        """Take the lock, unless it is held already; UserError where another run has it."""
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
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self.file = file

    def _refusal(self, file: IO[str], error: OSError) -> UserError:
        where = f"run.output_dir={self.folder}"
        if error.errno not in _HELD:
            rule = f"{where} must be on a disk with locks, got {error}"
            return UserError(f"{rule}; choose another folder")
        file.seek(0)
        holder = file.read().strip() or "another process"
        way_out = "wait for it, stop it, or choose another folder"
        return UserError(f"{where} must be used by one run at a time, got {holder}; {way_out}")
