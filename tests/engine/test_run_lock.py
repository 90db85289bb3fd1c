"""A folder is one run's at a time, and a run that was killed leaves it free."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.run_lock import LOCK, Holder, RunLock, holder_of

HOLD = """
import os, sys, time
from pathlib import Path
from tasks.engine.run_lock import RunLock

lock = RunLock(Path(sys.argv[1]), active=True)
lock.acquire()
if os.fork() == 0:  # a loader worker that outlives the run
    time.sleep(60)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of `tmp_path / "run"`, and a child of it."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_in_use_is_refused_with_process_and_host_until_the_run_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    folder = tmp_path / "run"
    try:
        with RunLock(folder, active=True) as lock:
            who = f"got process {holder.pid} on {socket.gethostname()}; wait for it"
            with pytest.raises(UserError, match=who):
                lock.check()
            holder.kill()
            holder.wait()
            lock.check()
            assert lock.file is not None
            assert (folder / LOCK).read_text().startswith(f"process {os.getpid()} on")
        assert not (folder / LOCK).exists()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def test_a_folder_that_was_not_used_is_not_made_by_looking(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run", active=True) as lock:
        lock.check()
    assert not (tmp_path / "run").exists()


def test_other_ranks_hold_nothing(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run", active=False) as lock:
        lock.acquire()
    assert not (tmp_path / "run").exists()


def test_who_has_a_folder_can_be_asked(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    there = holder_of(tmp_path / "run")
    assert there == Holder(holder.pid, socket.gethostname(), lives=True)
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()
    assert holder_of(tmp_path / "run") == Holder(holder.pid, socket.gethostname(), lives=False)


def test_a_process_of_another_machine_may_live(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on elsewhere\n")
    assert holder_of(tmp_path) == Holder(1, "elsewhere", lives=None)


@pytest.mark.parametrize("text", [None, "", "process"])
def test_a_folder_that_nobody_has(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / LOCK).write_text(text)
    assert holder_of(tmp_path) is None
