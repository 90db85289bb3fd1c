"""Rows, lines and curves."""

import json
from pathlib import Path

import pytest
import torch

from tasks.engine import sinks
from tasks.engine.curves import choose_panels
from tasks.engine.distributed import World
from tasks.engine.log import RunLog, clock, read_metrics

WORLD = World(0, 0, 1, torch.device("cpu"))
ROW = {"loss": 1.2341, "lr": 0.02, "images_per_s": 31.24, "data_share": 0.031}


def test_a_plain_line_shows_what_a_person_watches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 900)
        log.train(120, ROW, 250.2)
    expected = "step 120/900  loss 1.234  lr 0.02  31.2 images/s  data 3%  left 0:04:10\n"
    assert capsys.readouterr().out == expected


def test_a_terminal_gets_a_bar_instead_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sinks, "shows_a_bar", lambda: True)
    with RunLog(tmp_path, WORLD) as log:
        log.start(119, 900)
        log.advance()
        log.train(120, ROW, 250.2)
        log.note("a note")
    shown = capsys.readouterr()
    line = "step 120/900  loss 1.234  lr 0.02  31.2 images/s  data 3%  left 0:04:10"
    assert shown.out == f"{line}\na note\n"
    assert "120/900" in shown.err


def test_scores_join_the_row_of_their_step_and_nan_is_null(tmp_path: Path) -> None:
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 10)
        log.write(2, {"loss": 1.0})
        log.write(4, {"loss": 0.5})
        log.write(4, {"box/AP": float("nan"), "weights": "ema"})
        log.write(6, {"box/AP": 0.25})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 2, "loss": 1.0},
        {"step": 4, "loss": 0.5, "box/AP": None, "weights": "ema"},
        {"step": 6, "box/AP": 0.25},
    ]
    assert list((tmp_path / "tensorboard").iterdir())


def test_starting_later_drops_later_rows_and_an_unfinished_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"step": 8, "lo')
    with RunLog(tmp_path, WORLD) as log:
        log.start(4, 10)
    assert read_metrics(path) == [{"step": 2}, {"step": 4}]


def test_only_rank_zero_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, World(1, 1, 2, torch.device("cpu"))) as log:
        log.start(0, 10)
        log.train(2, ROW, 1.0)
        log.draw()
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_curves_have_a_panel_for_losses_and_one_for_each_score(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "loss": 1.0, "loss/a": 1.0, "lr": 0.1},
        {"step": 2, "val/loss": 2.0, "box/AP": 0.1, "none": None},
    ]
    assert list(choose_panels(rows).values()) == [
        ["loss", "val/loss"],
        ["loss/a"],
        ["lr"],
        ["box/AP"],
    ]
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 10)
        for row in rows:
            log.write(row["step"], row)
        log.draw()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 250.4, 3599.7, 90_000)] == [
        "0:00:00",
        "0:04:10",
        "1:00:00",
        "25:00:00",
    ]
