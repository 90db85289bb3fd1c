"""Curves of a run: what they show, and that they leave nothing behind."""

import gc
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.curves import draw_curves, make_figure

PRECISIONS = [f"box/AP{suffix}" for suffix in ("", "50", "75", "s", "m", "l")]


def panels(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """matplotlib's axes by their titles."""
    return {axes.get_title(loc="left"): axes for axes in make_figure(rows).axes}


def test_every_panel_goes_from_step_0_to_the_last() -> None:
    rows = [{"step": 10, "loss": 2.0, "lr": 0.1}, {"step": 30, "loss": 1.0, "box/AP": 0.5}]
    assert {axes.get_xlim() for axes in panels(rows).values()} == {(0, 30)}


def test_a_single_evaluation_is_a_marked_point_in_percent() -> None:
    axes = panels([{"step": 30, "box/AP": 0.25}])["AP, %"]
    line = axes.lines[0]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([30], [25])
    assert line.get_marker() == "o"
    assert axes.get_ylim()[0] == 0


def test_scores_near_0_are_not_blown_up() -> None:
    assert panels([{"step": 30, "box/AP": 1e-5}])["AP, %"].get_ylim() == (0, 1)


def test_scores_by_size_have_a_panel_of_their_own() -> None:
    drawn = panels([{"step": 30, **dict.fromkeys(PRECISIONS, 0.5)}])
    assert list(drawn) == ["AP, %", "AP by object size, %"]
    legend = drawn["AP by object size, %"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["small", "medium", "large"]


@pytest.mark.parametrize("count", range(1, 12))
def test_every_row_of_panels_is_full(count: int) -> None:
    rows = [{"step": 1, **{f"group{number}/score": 0.5 for number in range(count)}}]
    axes = make_figure(rows).axes
    places = [one.get_subplotspec() for one in axes]
    columns = places[0].get_gridspec().ncols
    lines = {place.rowspan.start for place in places}
    for line in lines:
        widths = [len(place.colspan) for place in places if place.rowspan.start == line]
        assert sum(widths) == columns
        assert len(widths) <= 3
    assert len(places) == count


def test_nothing_measured_is_no_picture(tmp_path: Path) -> None:
    draw_curves([{"step": 1, "threads": 2}], tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_picture_leaves_no_pixels_in_memory(tmp_path: Path) -> None:
    """A training's memory grew by 10 MB an evaluation until Python collected the figures."""
    from matplotlib.backends.backend_agg import RendererAgg

    gc.disable()  # what is left is not collected by chance
    try:
        draw_curves([{"step": step, "loss": 1 / step} for step in range(1, 9)], tmp_path / "c.png")
        left = [1 for one in gc.get_objects() if type(one) is RendererAgg]
    finally:
        gc.enable()
    assert (tmp_path / "c.png").is_file()
    assert left == []
