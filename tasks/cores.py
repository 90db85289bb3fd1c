"""Which cores this process may use, and which of them are free. Imports nothing heavy.

Linux gives both in files below proc and sys; `system` is the folder that holds these two, and tests
give another. On other systems every core counts as free.
"""

import hashlib
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
CGROUPS = Path("sys/fs/cgroup")
WORK = bytes(1 << 20)
WON = 0.9
"""A thread that gets at least this share of a core has the core to itself."""


def usable_cores(system: Path = ROOT) -> int:
    """Count the cores that affinity and the container's quota allow; at least 1."""
    allowed = len(allowed_cpus())
    quota = core_quota(system)
    return allowed if quota is None else max(1, min(allowed, nearest(quota)))


def allowed_cpus() -> frozenset[int]:
    """Return the numbers of the cores on which the system lets this process run."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def nearest(cores: float) -> int:
    """Round to the nearest whole number, halves upwards: a thread with half a core still helps."""
    return math.floor(cores + 0.5)


def core_quota(system: Path = ROOT) -> float | None:
    """Return how many cores this process's control groups (version 1 or 2) allow on average; None
    without a limit.
    """
    quotas = [_quota_of(folder) for folder in _group_folders(system)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _group_folders(system: Path) -> Iterator[Path]:
    """Yield the folders of the groups that may limit this process: its own and those around it.

    In a container the path may be the host's and not exist; then the top folder is its own.
    """
    for line in _read(system / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        top = system / CGROUPS
        if controllers:
            if "cpu" not in controllers.split(","):
                continue
            top = top / (controllers if (top / controllers).is_dir() else "cpu")
        yield top
        parts = Path(path).parts[1:]
        if ".." in parts:  # outside what this process sees
            continue
        for count in range(len(parts)):
            yield top.joinpath(*parts[: count + 1])


def _quota_of(folder: Path) -> float | None:
    """Read the quota of one group; None if it has none, or if its form is unknown."""
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")  # version 2
    if not quota:
        quota = _read(folder / "cpu.cfs_quota_us").strip()  # version 1
        period = _read(folder / "cpu.cfs_period_us").strip()
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # `max` is not a number
        return None
    return cores if cores > 0 else None  # -1 means no limit in version 1


@dataclass(frozen=True)
class CoreTimes:
    """Idle and total time of the allowed cores since the system started, in ticks of its clock."""

    idle: int
    total: int
    cores: int

    def idle_since(self, before: "CoreTimes") -> float | None:
        """Return how many cores were idle since an earlier reading; None if no time went by."""
        passed = self.total - before.total
        return (self.idle - before.idle) / passed * self.cores if passed > 0 else None


def read_core_times(system: Path = ROOT, cpus: frozenset[int] | None = None) -> CoreTimes | None:
    """Read the times of the allowed cores from proc/stat; None if they are not listed."""
    chosen = allowed_cpus() if cpus is None else cpus
    idle = total = cores = 0
    for line in _read(system / "proc/stat").splitlines():
        name, *fields = line.split()
        if not name.startswith("cpu") or name[3:] not in {str(number) for number in chosen}:
            continue
        # user, nice, system, idle, waiting for disks, interrupts (2), taken by the hypervisor
        ticks = [int(field) for field in fields[:8]]
        idle += ticks[3] + ticks[4]
        total += sum(ticks)
        cores += 1
    return CoreTimes(idle, total, cores) if total else None


def won_cores(count: int, seconds: float) -> int:
    """Measure for a moment how many of `count` busy threads get a core of their own. These are idle
    cores, and those of processes that make way for us.
    """
    shares: list[float] = []

    def work() -> None:
        started, used = time.perf_counter(), time.thread_time()
        while time.perf_counter() - started < seconds:
            hashlib.sha256(WORK)  # other threads run meanwhile
        shares.append((time.thread_time() - used) / (time.perf_counter() - started))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(share >= WON for share in shares)


def seconds_of_children(system: Path = ROOT, parent: int | None = None) -> float:
    """Sum the processor time of the living processes that this one started."""
    ours = os.getpid() if parent is None else parent
    ticks = 0
    for path in (system / "proc").glob("[0-9]*/stat"):
        fields = _read(path).rpartition(")")[2].split()  # the name before it may contain blanks
        if len(fields) > 12 and int(fields[1]) == ours:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _read(path: Path) -> str:
    """Read a file of the system; empty if it does not exist or may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
