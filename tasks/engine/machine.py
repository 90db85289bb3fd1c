"""Read the system's memory and processes. Only on Linux; elsewhere nothing is known."""

import os
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PROC = Path("/proc")
STOPPED = ("T", "t")
"""States of a process that a signal or a debugger has stopped."""


@dataclass(frozen=True)
class Space:
    """Bytes of a file system or of memory."""

    total: int
    free: int

    def __str__(self) -> str:
        return f"{megabytes(self.free)} free of {megabytes(self.total)}"


def megabytes(size: float) -> str:
    """Write bytes as text, such as 64 MB."""
    return f"{size / 1e6:.3g} MB" if size < 1e9 else f"{size / 1e9:.3g} GB"


def shared_memory() -> Space | None:
    """Return the shared memory through which processes pass batches."""
    if not SHARED_MEMORY.is_dir():
        return None
    found = os.statvfs(SHARED_MEMORY)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def memory() -> Space | None:
    """Return the machine's memory without swap."""
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":") for line in lines)  # of " 16 kB"
    total, free = (int(sizes[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return Space(1024 * total, 1024 * free)


def state(process: int) -> str:
    """Return the letter of a process's state: R runs, S sleeps, D waits for a disk, T is stopped;
    empty if it does not exist.
    """
    try:
        text = (PROC / str(process) / "stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]  # a name may contain blanks and brackets


def open_files(process: int) -> int:
    """Count a process's open files; 0 if unknown."""
    try:
        return len(list((PROC / str(process) / "fd").iterdir()))
    except OSError:
        return 0


def most_open_files() -> int | None:
    """Return the limit of open files, as of `ulimit -n`."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
