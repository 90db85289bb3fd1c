"""Which cores this process may use, and which of them others leave free.  Imports nothing heavy.

Linux tells both in files; `system` is the folder that holds its proc and sys, another one in tests.
Elsewhere every core counts as free.
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
"""Share of a core from which it counts as our own."""


def usable_cores(system: Path = ROOT) -> int:
    """Cores that affinity and the container's quota allow; at least 1."""
    allowed = len(allowed_cpus())
    quota = core_quota(system)
    return allowed if quota is None else max(1, min(allowed, nearest(quota)))


def allowed_cpus() -> frozenset[int]:
    """Numbers of the cores on which the system lets this process run."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def nearest(cores: float) -> int:
    """The nearest whole number, halves upwards: a last thread that gets half a core pays."""
    return math.floor(cores + 0.5)


def core_quota(system: Path = ROOT) -> float | None:
    """Cores that the control groups of this process allow on average, of version 1 or 2; None if
    they set no limit.
    """
    quotas = [_quota_of(folder) for folder in _group_folders(system)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _group_folders(system: Path) -> Iterator[Path]:
    """Folders of the groups that may limit this process: its own and those around it.

    In a container the path may be the host's, which is not there; the top folder is its own then.
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
        if ".." in parts:  # outside of what this process sees
            continue
        for count in range(len(parts)):
            yield top.joinpath(*parts[: count + 1])


def _quota_of(folder: Path) -> float | None:
    """The quota of one group; None if it has none, or says it in words we do not know."""
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")  # version 2
    if not quota:
        quota = _read(folder / "cpu.cfs_quota_us").strip()  # version 1
        period = _read(folder / "cpu.cfs_period_us").strip()
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # `max` is no number
        return None
    return cores if cores > 0 else None  # -1 is version 1's word for none


@dataclass(frozen=True)
class CoreTimes:
    """What the allowed cores have done since the system started, in ticks of its clock."""

    idle: int
    total: int
    cores: int

    def idle_since(self, before: "CoreTimes") -> float | None:
        """Cores that had nothing to do since an earlier reading; None if no time went by."""
        passed = self.total - before.total
        return (self.idle - before.idle) / passed * self.cores if passed > 0 else None


def read_core_times(system: Path = ROOT, cpus: frozenset[int] | None = None) -> CoreTimes | None:
    """What proc/stat says of the allowed cores; None if it says nothing of them."""
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
    """How many of so many busy threads get a core of their own, tried out for a moment: idle cores,
    and those of processes that make way for us.
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
    """Processor time of the processes that this one started and that still live."""
    ours = os.getpid() if parent is None else parent
    ticks = 0
    for path in (system / "proc").glob("[0-9]*/stat"):
        fields = _read(path).rpartition(")")[2].split()  # the name before it may hold blanks
        if len(fields) > 12 and int(fields[1]) == ours:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _read(path: Path) -> str:
    """The text of a file of the system; empty if there is none, or it may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
