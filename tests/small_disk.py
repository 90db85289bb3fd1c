"""A disk that is full or read-only, shared by the tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SIZE = 4 << 20
BLOCK = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A disk of four megabytes in memory."""

    folder: Path

    def fill(self, left: int = 0) -> None:
        """Fill it, but for so many bytes."""
        stat = os.statvfs(self.folder)
        (self.folder / ".filler").write_bytes(bytes(stat.f_bavail * stat.f_frsize - left))

    def clear(self) -> None:
        """Make room again."""
        (self.folder / ".filler").unlink()

    def protect(self) -> None:
        """Let nobody write to it."""
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)


@contextmanager
def mounted(folder: Path) -> Iterator[SmallDisk]:
    """A disk of its own in a folder; skips the test where the system lets us mount none."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk may be mounted here: {error}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
