"""Which cores are counted, from files such as Linux writes."""

import os
import threading
from pathlib import Path

import pytest

from tasks import cores
from tasks.cores import (
    core_quota,
    nearest,
    read_core_times,
    seconds_of_children,
    usable_cores,
    won_cores,
)

TICKS = os.sysconf("SC_CLK_TCK")


def write(folder: Path, files: dict[str, str]) -> Path:
    """A system that says so."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/../pod\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "0::/user/job\n",
                "sys/fs/cgroup/user/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/docker/abc\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/job\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
    ids=[
        "no groups",
        "no limit",
        "the container's",
        "outside of the container",
        "of a group around it",
        "version 1, by the host's path",
        "version 1 without one",
    ],
)
def test_the_quota_of_the_control_groups(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    assert core_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("quota", "count"), [("50000", 1), ("140000", 1), ("150000", 2), ("900000", 4), ("max", 4)]
)
def test_usable_cores_are_those_that_affinity_and_quota_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, count: int
) -> None:
    monkeypatch.setattr(cores, "allowed_cpus", lambda: frozenset(range(4)))
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota} 100000\n"}
    assert usable_cores(write(tmp_path, files)) == count


def test_halves_are_rounded_upwards() -> None:
    assert [nearest(value) for value in (0.49, 0.5, 1.49, 1.5, 2.5)] == [0, 1, 1, 2, 3]


def stat(*lines: str) -> dict[str, str]:
    return {"proc/stat": "\n".join(["cpu  0 0 0 0 0 0 0 0 0 0", *lines, "intr 5 6", ""])}


def test_times_are_those_of_the_allowed_cores(tmp_path: Path) -> None:
    """User, nice, system, idle, iowait, irq, softirq, steal; guests are counted as users too."""
    every = stat(
        "cpu0 10 1 2 80 4 1 1 1 9 9", "cpu1 99 99 99 99 99 99 99 99 0 0", "cpu12 0 5 0 95 0 0 0 0 0"
    )
    times = read_core_times(write(tmp_path, every), frozenset({0, 12}))
    assert times is not None
    assert (times.idle, times.total, times.cores) == (84 + 95, 200, 2)


def test_idle_cores_are_a_share_of_the_time_that_went_by(tmp_path: Path) -> None:
    """Of 2 x 100 ticks, 50 were idle."""
    two = frozenset({0, 1})
    before = read_core_times(
        write(tmp_path, stat("cpu0 5 0 0 5 0 0 0 0", "cpu1 0 0 0 1 0 0 0 0")), two
    )
    later = stat("cpu0 105 0 0 5 0 0 0 0", "cpu1 10 20 20 41 10 0 0 0")
    after = read_core_times(write(tmp_path, later), two)
    assert before is not None
    assert after is not None
    assert after.idle_since(before) == 0.5
    assert after.idle_since(after) is None


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert read_core_times(tmp_path) is None
    assert read_core_times(write(tmp_path, stat("cpu0 0 0 0 0 0 0 0 0")), frozenset({0})) is None


@pytest.mark.parametrize(("used", "won"), [(0.95, 3), (0.9, 3), (0.5, 0)])
def test_a_core_is_won_by_a_thread_that_gets_it_almost_all_the_time(
    monkeypatch: pytest.MonkeyPatch, used: float, won: int
) -> None:
    """Each of three threads works for a second by the wall, and so much by the processor."""
    clocks = threading.local()

    def wall() -> float:
        clocks.calls = getattr(clocks, "calls", -1) + 1
        return float(clocks.calls > 0)  # 0 at first, 1 from then on

    monkeypatch.setattr(cores.time, "perf_counter", wall)
    monkeypatch.setattr(cores.time, "thread_time", lambda: used * (clocks.calls > 0))
    assert won_cores(3, 0.3) == won


def test_processor_time_of_the_processes_that_a_process_started(tmp_path: Path) -> None:
    """Those of process 7, whatever their names are; user and system time are fields 14 and 15."""
    rest = "1 1 0 -1 0 0 0 0 0"
    files = {
        "proc/8/stat": f"8 (worker) S 7 {rest} {2 * TICKS} {TICKS} 0 0\n",
        "proc/9/stat": f"9 (a) b) R 7 {rest} {TICKS} 0 0 0\n",
        "proc/10/stat": f"10 (other) R 1 {rest} {50 * TICKS} 0 0 0\n",
        "proc/self/stat": f"8 (worker) S 7 {rest} {TICKS} {TICKS} 0 0\n",
    }
    assert seconds_of_children(write(tmp_path, files), parent=7) == 4.0
