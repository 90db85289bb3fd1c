"""Processes beside one another; a shell is what is run."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studies.residual import processes
from studies.residual.processes import Processes, Task

TEN_SECONDS = "n=0; while [ $n -lt 1000 ]; do n=$((n+1)); sleep 0.01; done"
"""Script that can be interrupted, and ends where nobody does."""


@pytest.fixture
def shells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first argument of a task is run by a shell."""
    popen = subprocess.Popen

    def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        return popen(["sh", "-c", command[3]], **options)

    monkeypatch.setattr(processes.subprocess, "Popen", start)
    monkeypatch.setattr(processes, "PAUSE", 0.01)


@pytest.fixture
def held(tmp_path: Path) -> Any:
    with (tmp_path / "lock").open("w") as lock:
        yield lock.fileno()


def task(name: str, script: str, log: Path | None = None) -> Task:
    return Task(name, "module", (script,), log)


def ended(running: Processes, tasks: Sequence[Task]) -> list[tuple[str, int]]:
    return [(found.name, status) for found, status in running.run(tasks)]


@pytest.mark.usefixtures("shells")
def test_one_follows_the_other(held: int, tmp_path: Path) -> None:
    file = tmp_path / "order"
    first = task("first", f"sleep 0.1; echo first >> {file}")
    tasks = [first, task("second", f"echo second >> {file}")]
    assert ended(Processes(1, held), tasks) == [("first", 0), ("second", 0)]
    assert file.read_text().split() == ["first", "second"]


@pytest.mark.usefixtures("shells")
def test_so_many_run_beside_one_another(held: int, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    tasks = [
        task("reader", f"mkfifo {fifo}; cat {fifo}"),
        task("writer", f"while [ ! -p {fifo} ]; do sleep 0.01; done; echo x > {fifo}"),
    ]  # neither ends without the other
    assert sorted(ended(Processes(2, held), tasks)) == [("reader", 0), ("writer", 0)]


@pytest.mark.usefixtures("shells")
def test_after_a_failure_nothing_is_started(held: int) -> None:
    tasks = [task("fails", "exit 3"), task("never", "true")]
    assert ended(Processes(1, held), tasks) == [("fails", 3)]


@pytest.mark.usefixtures("shells")
def test_a_signal_is_passed_on_and_nothing_is_started(held: int, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 7' TERM; touch {ready}; {TEN_SECONDS}"
    running = Processes(1, held)

    def interrupt() -> None:
        while not ready.exists():
            pass
        signal.raise_signal(signal.SIGTERM)

    helper = threading.Thread(target=interrupt)
    helper.start()
    found = ended(running, [task("long", script), task("never", "true")])
    helper.join()
    assert (found, running.received) == ([("long", 7)], [signal.SIGTERM])


@pytest.mark.usefixtures("shells")
def test_a_signal_during_a_start_reaches_the_started(
    held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 7' TERM; touch {ready}; {TEN_SECONDS}"
    running = Processes(2, held)
    popen = subprocess.Popen

    def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        process = popen(command, **options)
        while not ready.exists():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr(processes.subprocess, "Popen", start)
    found = ended(running, [task("long", script), task("never", "true")])
    assert (found, running.received) == ([("long", 7)], [signal.SIGTERM])


@pytest.mark.usefixtures("shells")
def test_each_process_is_told_once(held: int, tmp_path: Path) -> None:
    told, ready = tmp_path / "told", tmp_path / "ready"
    second = f"trap 'echo told >> {told}' TERM; touch {ready}; sleep 0.1; sleep 0.1"
    first = f"while [ ! -e {ready} ]; do sleep 0.01; done"
    running = Processes(2, held)
    tasks = [task("first", first), task("second", second), task("never", "true")]
    for one, _ in running.run(tasks):
        if one.name == "first":
            signal.raise_signal(signal.SIGTERM)
    assert told.read_text() == "told\n"


@pytest.mark.usefixtures("shells")
def test_a_signal_that_is_ignored_stays_ignored(held: int) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    running = Processes(1, held)
    found = []
    for one, status in running.run([task("first", "true"), task("second", "true")]):
        signal.raise_signal(signal.SIGHUP)
        found.append((one.name, status))
    after = signal.signal(signal.SIGHUP, before)
    assert (found, running.received) == ([("first", 0), ("second", 0)], [])
    assert after == signal.SIG_IGN


@pytest.mark.usefixtures("shells")
def test_lines_go_to_a_file_where_one_is_named(held: int, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    ended(Processes(1, held), [task("a", "echo out; echo err >&2", log)])
    assert log.read_text() == "out\nerr\n"


@pytest.mark.parametrize(("limit", "threads"), [(1, None), (4, "2")])
def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch, limit: int, threads: str | None) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processes, "usable_cores", lambda: 8)
    assert processes._environment(limit).get("OMP_NUM_THREADS") == threads
