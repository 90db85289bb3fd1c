"""Rows, lines and curves."""

import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tasks.engine import sinks
from tasks.engine.curves import draw_curves
from tasks.engine.distributed import World
from tasks.engine.launch import launch_in
from tasks.engine.log import RunLog, clock, read_metrics
from tasks.engine.sinks import Row, Sink
from tasks.panels import choose_panels

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


def points(folder: Path) -> list[tuple[int, float]]:
    """Steps and values that TensorBoard shows of box/AP, in its order."""
    return [(event.step, round(event.value, 4)) for event in shown_of(folder, "box/AP")]


def shown_of(folder: Path, name: str) -> list[Any]:
    """TensorBoard's points of a name."""
    shown = EventAccumulator(str(folder))
    shown.Reload()
    points: list[Any] = shown.Scalars(name)
    return points


def test_tensorboard_shows_scores_in_percent_and_losses_as_they_are(tmp_path: Path) -> None:
    """Also of a training that has evaluated before its first report."""
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 10)
        log.learn_names(["loss/rpn/class"])
        log.write(2, {"box/AP": 0.25, "box/AP/cat": 0.5, "val/rpn/class": 0.75, "val/loss": 0.75})
    for name, value in (("box/AP", 25), ("box/AP/cat", 50), ("val/rpn/class", 0.75)):
        assert [point.value for point in shown_of(tmp_path / "tensorboard", name)] == [value]
    assert read_metrics(tmp_path / "metrics.jsonl")[0]["box/AP"] == 0.25


def test_a_sink_learns_the_scores_of_earlier_rows(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 2, "box/AP": 0.25, "loss": 1.5}\n')
    sink = Sink()
    with RunLog(tmp_path, WORLD, [sink]) as log:
        log.start(2, 10)
    assert sink.shown({"step": 2, "box/AP": 0.25, "loss": 1.5}) == {"box/AP": 25, "loss": 1.5}


def test_nothing_is_drawn_where_nothing_was_reported(tmp_path: Path) -> None:
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 10)
        log.draw()
    assert not (tmp_path / "curves.png").exists()


def test_tensorboard_shows_each_step_once_after_a_kill_and_a_clock_that_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_campaign A11: killed after the scores of step 4 were reported and before they were
    saved; the process that resumes believes that it is a day earlier.
    """
    first = RunLog(tmp_path, WORLD)
    first.start(0, 10)
    for step in (2, 4):
        first.write(step, {"loss": 1.0})
        first.flush()
        first.write(step, {"box/AP": step / 10})
    first.flush()
    today = time.time
    monkeypatch.setattr(time, "time", lambda: today() - 86_400)
    with RunLog(tmp_path, WORLD) as second:
        second.start(4, 10)
        second.write(4, {"box/AP": 0.4})
        second.flush()
        second.write(6, {"box/AP": 0.6})
    assert points(tmp_path / "tensorboard") == [(2, 20.0), (4, 40.0), (6, 60.0)]


def test_only_rank_zero_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, World(1, 1, 2, torch.device("cpu"))) as log:
        log.start(0, 10)
        log.train(2, ROW, 1.0)
        log.draw()
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_curves_have_a_panel_for_losses_and_one_for_each_score(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "loss": 1.0, "loss/a": 0.4, "loss/b": 0.6, "lr": 0.1},
        {"step": 2, "val/loss": 2.0, "box/AP": 0.1, "none": None},
    ]
    assert list(choose_panels(rows).values()) == [
        ["loss", "val/loss"],
        ["loss/a", "loss/b"],
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


def test_curves_of_negative_scores_are_drawn_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[float, float]] = []

    def keep(figure: Figure, *_: object, **__: object) -> None:
        drawn.extend(axes.get_ylim() for axes in figure.axes)

    monkeypatch.setattr(Figure, "savefig", keep)
    rows = [{"step": step, "loss": 2.0 + step, "val/closeness": -1.0 - step} for step in (1, 2)]
    draw_curves(rows, tmp_path / "curves.png")
    (low, high), (lowest, highest) = drawn
    assert (low, high > 4) == (0, True)
    assert lowest < -3 < -2 < highest


class Tracker(Sink):
    """Another place that rows go to."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, step: int, rows: list[Row]) -> None:
        self.told.append(step)

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        self.told.append((dict(added), dict(whole), is_new))

    def close(self) -> None:
        self.told.append("closed")


def test_a_tracker_is_one_more_sink(tmp_path: Path) -> None:
    tracker = Tracker()
    with RunLog(tmp_path, WORLD, [tracker]) as log:
        log.start(3, 10)
        log.write(4, {"loss": 1.0})
        log.write(4, {"val/top1": 0.5})
    row = {"step": 4, "loss": 1.0}
    score = {"step": 4, "val/top1": 0.5}
    assert tracker.told == [3, (row, row, True), (score, row | score, False), "closed"]


def test_a_run_takes_more_sinks(toy: ModuleType, tmp_path: Path) -> None:
    tracker = Tracker()
    launch_in(WORLD, toy.toy_config(tmp_path), toy.route, [tracker])
    steps = [told[1]["step"] for told in tracker.told[1:-1] if told[2]]
    assert (tracker.told[0], tracker.told[-1]) == (0, "closed")
    assert steps == [2, 4, 6, 8, 10, 12]


class Broken(Sink):
    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        raise ConnectionError("no network")


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunLog(tmp_path, WORLD, [Broken()]) as log:
        log.start(0, 10)
        for step in (2, 4):
            log.write(step, {"loss": 1.0})
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [2, 4]
    printed = capsys.readouterr().out
    assert printed == "warning: Broken is left out: ConnectionError: no network\n"


def test_a_stage_says_how_much_it_has_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "PATIENCE", -1.0)  # a line after every batch
    with RunLog(tmp_path, WORLD) as log:
        assert list(log.track([[1, 2], [3]], "scoring val.json", 3)) == [[1, 2], [3]]
    assert capsys.readouterr().out.splitlines() == [
        "scoring val.json: 3 images",
        "scoring val.json: 2 of 3",
        "scoring val.json: 3 of 3",
    ]


def test_a_picture_that_cannot_be_drawn_does_not_end_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "curves.png").mkdir()
    with RunLog(tmp_path, WORLD) as log:
        log.start(0, 2)
        log.write(1, {"loss": 1.0})
        log.draw()
    assert "warning: curves.png was not made" in capsys.readouterr().out
