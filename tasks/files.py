"""Files that appear complete or not at all, and the errors if they cannot be written.

Imports no torch.
"""

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from resnet_backbones.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_PROBE = bytes(4096)  # a block, as a full disk still accepts names


_LISTED: ContextVar[Callable[[Path, Path], None] | None] = ContextVar("listed", default=None)


class _Stream(io.BufferedWriter):
    """A stream that remembers why it could not write, as libraries raise errors of their own."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        """Write bytes."""
        with self._remembering():
            return super().write(data)  # type: ignore[arg-type]

    def flush(self) -> None:
        """Hand what was written to the system."""
        with self._remembering():
            super().flush()

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


class AtomicFile:
    """A file that appears under its name complete or not at all; use it as a context manager.

    UserError if it cannot be written, with the path, the reason and the free space. `lasting` files
    survive a power cut, which takes time: thousands of pictures do not need it.
    """

    def __init__(self, path: Path, *, lasting: bool = True) -> None:
        self.path = path
        self.lasting = lasting
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> IO[bytes]:
        make_folder(self.path.parent)
        with writing(self.path):
            self.file = _Stream(io.FileIO(self.partial, "wb"))
        return self.file

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._discard()
            failure = self.file.failure
            if isinstance(error, OSError) and error.errno in _FULL:  # written past the stream
                failure = error
            if failure is not None:
                raise cannot_write(self.path, failure) from error
            return
        try:
            with writing(self.path):
                self._publish()
        except UserError:
            self._discard()
            raise

    def _publish(self) -> None:
        self.file.flush()
        if self.lasting:
            os.fsync(self.file.fileno())
        self.file.close()
        listed = _LISTED.get()
        if listed is not None:
            listed(self.partial, self.path)
        os.replace(self.partial, self.path)  # noqa: PTH105 - tests kill the process exactly here
        if not self.lasting:
            return
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)  # makes the new name survive a power cut
        os.close(folder)

    def _discard(self) -> None:
        with suppress(OSError):  # closing writes what is left
            self.file.close()
        with suppress(OSError):
            self.partial.unlink()


@contextmanager
def listing(call: Callable[[Path, Path], None]) -> Iterator[None]:
    """Context that calls `call(partial, path)` just before each atomic file appears, so that no
    file appears unreported, whenever the process ends.
    """
    token = _LISTED.set(call)
    try:
        yield
    finally:
        _LISTED.reset(token)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) that appears complete or not at all.

    Halves of characters, which file names may contain, are written as escapes.
    """
    with AtomicFile(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; UserError if that is impossible."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Context that turns the system's errors into a UserError that names the file."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UserError:
    """Make the error for a file or folder that cannot be written."""
    way_out = "choose another place, or change who may write there"
    if error.errno in _FULL:
        way_out = "make room, or choose another place"
    elif error.errno in _GONE:
        way_out = "bring its folder back, or choose another place"
    reason = f"{error.strerror or error}, {_free(path)} free there"
    return UserError(f"{path} must be a place that can be written to, got: {reason}; {way_out}")


def check_writable(folder: Path, needed: int = 0, what: str = "files") -> None:
    """Raise UserError if a folder is not writable, or has fewer bytes free than `needed` for
    `what`. It need not exist yet. Leaves nothing behind.
    """
    existing = _existing(folder)
    if not existing.is_dir():
        seen = "a broken link" if existing.is_symlink() else "a file"
        raise UserError(f"{folder} must be a folder or free, but {existing} is {seen}")
    with writing(folder), tempfile.TemporaryFile(dir=existing) as probe:
        probe.write(_PROBE)
        probe.flush()
    free = shutil.disk_usage(existing).free
    if free < needed:
        rule = f"{folder} must have room for {what}, {size_text(needed)}"
        raise UserError(f"{rule}, but {size_text(free)} are free; make room, or choose another")


def size_text(size: int) -> str:
    """Write a number of bytes in words."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def _free(path: Path) -> str:
    """Write the free space at a path in words."""
    try:
        return size_text(shutil.disk_usage(_existing(path)).free)
    except OSError:
        return "an unknown space"


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    for place in (path, *path.absolute().parents):
        if os.path.lexists(place):
            return place
    return Path("/")
