"""Curves of a study's trainings."""

from __future__ import annotations

from pathlib import Path

from toy_study import finished, point

from studies.residual.curves import Curve, draw_curves, make_figure, mean_curve

POINTS = [
    *finished("plain20", 0, 20.0, 30.0),
    *finished("plain20", 1, 24.0, 32.0),
    *finished("resnet20", 0, 10.0, 60.0),
]


def test_the_mean_ends_where_the_shortest_training_does() -> None:
    curves = [Curve([1, 2, 3], [50, 40, 30]), Curve([1, 2], [70, 60])]
    assert mean_curve(curves) == Curve([1, 2], [60, 50])


def test_every_training_and_every_mean_is_a_line() -> None:
    training, test = make_figure(POINTS, "A study").axes
    assert [line.get_ydata()[-1] for line in training.lines] == [20, 24, 22, 10, 10]
    assert [line.get_ydata()[-1] for line in test.lines] == [30, 32, 31, 60, 60]


def test_the_legend_is_in_the_order_in_which_lines_end() -> None:
    (legend,) = make_figure(POINTS, "A study").legends
    assert [text.get_text() for text in legend.texts] == ["resnet20", "plain20"]


def test_plain_nets_are_dashed() -> None:
    _, test = make_figure(POINTS, "A study").axes
    styles = {line.get_label(): line.get_linestyle() for line in test.lines}
    assert (styles["plain20"], styles["resnet20"]) == ("--", "-")


def test_what_was_not_scored_is_left_out() -> None:
    training, test = make_figure([point("plain20", 0, train_error=20.0, test_error=None)], "").axes
    assert len(training.lines) == 2
    assert not test.lines


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    draw_curves(POINTS, "A study", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
