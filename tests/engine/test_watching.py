"""What is read out of a run's folder."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from resnet_backbones.errors import UserError
from tasks.engine import watching
from tasks.engine.run_ending import note_ending
from tasks.engine.run_lock import Holder
from tasks.engine.watching import read_status

SETTINGS = """
task: detection
data: {batch_size: 8}
schedule: {steps: 100, minutes: null}
run: {best_metric: box/AP}
"""
ROWS = [
    {"step": 10, "loss": 2.0, "lr": 0.01, "images_per_s": 4.0, "data_share": 0.25},
    {"step": 20, "loss": 1.5, "lr": 0.02, "images_per_s": 5.0, "data_share": 0.5, "box/AP": 0.3},
    {"step": 40, "box/AP": 0.2},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 100 steps, 40 of which are done, that nobody holds."""
    (tmp_path / "config.yaml").write_text(SETTINGS)
    write_rows(tmp_path, ROWS)
    return tmp_path


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def hold(monkeypatch: pytest.MonkeyPatch, *, lives: bool | None) -> None:
    monkeypatch.setattr(watching, "holder_of", lambda folder: Holder(12, "node7", lives))


def test_a_running_run_has_its_time_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch, lives=True)
    os.utime(folder / "metrics.jsonl", (time.time() - 30, time.time() - 30))
    status = read_status(folder)
    assert status.is_running
    assert (status.step, status.total) == (40, 100)
    assert status.seconds_left == 60 * 8 / 5.0
    assert status.age == pytest.approx(30, abs=5)
    assert status.lines()[0] == f"{folder}  running, process 12 on node7"
    assert status.line() == (
        "running  step 40 of 100 (40%), left 96 s  loss 1.5  lr 0.02"
        "  5.0 images/s, 50% of the time waiting for data"
        "  box/AP 20.00 % at step 40, the best was 30.00 % at step 20"
    )


def test_a_process_that_is_gone_was_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch, lives=False)
    (folder / "last.pt").write_bytes(b"")
    status = read_status(folder)
    assert (status.state, status.is_running) == ("killed", False)
    assert status.detail == "process 12 on node7 is gone; run.resume=auto continues it"


def test_a_process_of_another_machine_counts_as_running(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, lives=None)
    status = read_status(folder)
    assert status.is_running
    assert status.detail.endswith("cannot be seen from here")


def test_a_finished_run(folder: Path) -> None:
    note_ending(folder, None)
    status = read_status(folder)
    assert status.state == "finished"
    assert status.seconds_left is None


def test_a_stopped_run_says_how_it_goes_on(folder: Path) -> None:
    note_ending(folder, SystemExit(143))
    (folder / "last.pt").write_bytes(b"")
    status = read_status(folder)
    assert status.state == "stopped"
    assert status.detail.endswith("; run.resume=auto continues it")


def test_a_failed_run_says_why(folder: Path) -> None:
    note_ending(folder, KeyError("name"))
    status = read_status(folder)
    assert status.state == "failed"
    assert status.detail.endswith(": KeyError: 'name'; it has saved nothing yet")


@pytest.mark.parametrize(("last", "state"), [(100, "finished"), (99, "stopped")])
def test_a_run_of_an_earlier_version_is_judged_by_its_steps(
    folder: Path, last: int, state: str
) -> None:
    write_rows(folder, [{"step": last, "loss": 1.0}])
    assert read_status(folder).state == state


def test_a_run_by_the_clock_has_no_steps_in_all(folder: Path) -> None:
    (folder / "config.yaml").write_text(SETTINGS.replace("minutes: null", "minutes: 5"))
    status = read_status(folder)
    assert status.total is None
    assert "step      40" in status.lines()


def test_a_run_without_a_row_yet(folder: Path) -> None:
    (folder / "metrics.jsonl").unlink()
    status = read_status(folder)
    assert (status.step, status.age, status.score) == (0, None, "")


def test_starts_are_counted(folder: Path) -> None:
    start = {"started": "2026-01-01T10:00", "device": "cpu", "gpu": None, "processes": 2}
    (folder / "environment.json").write_text(json.dumps([start, start]))
    assert "started   2026-01-01T10:00 on cpu, 2 processes, start 2" in read_status(folder).lines()


def test_names_cannot_steer_a_terminal(folder: Path) -> None:
    (folder / "config.yaml").write_text(SETTINGS.replace("box/AP", '"\\e[2Jx"'))
    write_rows(folder, [{"step": 1, "\x1b[2Jx": 0.5}])
    lines = read_status(folder).lines()
    assert "score     ?[2Jx 50.00 % at step 1" in lines


def test_a_folder_of_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must hold its config\.yaml, got "):
        read_status(tmp_path)
