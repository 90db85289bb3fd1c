"""`backbones watch` in a pipe and once."""

from pathlib import Path

import pytest
from command_line import Commands, FinishedRun

from tasks.cli import watch
from tasks.engine import watching
from tasks.engine.run_lock import Holder


def test_a_finished_run_in_a_few_lines(commands: Commands, finished_run: FinishedRun) -> None:
    answer = commands("watch", finished_run.folder, "--once")
    assert answer.status == 0
    first, *rest = answer.output.splitlines()
    assert first.startswith(f"{finished_run.folder}  finished, 20")
    assert [line[:9].strip() for line in rest] == ["started", "step", "loss", "score", "last row"]
    assert "14 of 14 (100%)" in rest[1]


def test_a_pipe_gets_a_line_for_each_change_until_the_end(
    commands: Commands, finished_run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders = iter([Holder(1, "here", True)] * 3)
    monkeypatch.setattr(watching, "holder_of", lambda folder: next(holders, None))
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    answer = commands("watch", finished_run.folder)
    assert answer.status == 0
    running, finished, detail = answer.output.splitlines()
    assert "  running  step 14 of 14" in running
    assert "  finished  step 14 of 14" in finished
    assert detail.startswith(f"{finished_run.folder}  finished, ")
    assert answer.output.replace("\n", "").isprintable()


def test_a_run_that_did_not_finish_is_status_1(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("schedule: {steps: 10}")
    assert commands("watch", tmp_path).status == 1


def test_a_folder_of_no_run_is_a_line(commands: Commands, tmp_path: Path) -> None:
    answer = commands("watch", tmp_path)
    assert answer.status == 2
    assert answer.error.startswith("error: a run's folder must hold its config.yaml")
