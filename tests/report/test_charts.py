"""Charts whose numbers are in the page."""

import re

import pytest

from tasks.report.axes import Axes, step_ticks
from tasks.report.charts import Series, line_chart, matrix_chart

AXES = Axes((0, 100), (0, 1), "step")


def test_a_matrix_names_every_count_and_draws_no_zero() -> None:
    chart = matrix_chart("Confusion", ["cat", "<dog>"], [[3, 1], [0, 5]])
    assert re.findall("<title>([^<]+)</title>", chart) == [
        "cat, predicted cat: 3 of 4",
        "cat, predicted &lt;dog&gt;: 1 of 4",
        "&lt;dog&gt;, predicted &lt;dog&gt;: 5 of 5",
    ]


def test_right_and_wrong_cells_differ_in_colour_and_shares_in_darkness() -> None:
    chart = matrix_chart("Confusion", ["cat", "dog"], [[3, 1], [0, 5]])
    drawn = re.findall(r'class="(bar|wrong)" opacity="([\d.]+)"', chart)
    assert drawn == [("bar", "0.56"), ("wrong", "0.38"), ("bar", "0.75")]


def test_numbers_are_written_where_there_is_room() -> None:
    def numbers(classes: int) -> list[str]:
        counts = [[7] * classes for _ in range(classes)]
        chart = matrix_chart("Confusion", [f"c{label}" for label in range(classes)], counts)
        return re.findall('class="mid">7<', chart)

    assert len(numbers(20)) == 400
    assert numbers(21) == []


def test_long_names_are_cut() -> None:
    assert "a name of eightee…" in matrix_chart("Confusion", ["a name of eighteen and"], [[1]])


def test_rows_with_totals_of_their_own_are_drawn_as_shares() -> None:
    chart = matrix_chart("Pixels", ["cat", "dog"], [[3000, 4], [0, 500]], [10_000, 1000])
    assert re.findall("<title>([^<]+)</title>", chart) == [
        "cat, predicted cat: 3000 of 10000",
        "dog, predicted dog: 500 of 1000",
    ]
    assert re.findall(r'class="mid">(\d+)<', chart) == ["30", "50"]


@pytest.mark.parametrize(
    ("last", "ticks"),
    [
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (30, [0, 10, 20, 30]),
        (400, [0, 100, 200, 300, 400]),
        (700, [0, 200, 400, 600]),
        (90_000, [0, 20_000, 40_000, 60_000, 80_000]),
    ],
)
def test_steps_are_written_at_round_numbers(last: int, ticks: list[int]) -> None:
    assert step_ticks(last) == ticks


@pytest.mark.parametrize(("count", "dots"), [(1, 1), (20, 20), (21, 0)])
def test_points_are_marked_where_they_are_few(count: int, dots: int) -> None:
    points = [(step, 0.5) for step in range(1, count + 1)]
    chart = line_chart("AP", [Series("AP", points, "red", dotted=True)], AXES)
    assert chart.count("<circle") == dots
    assert chart.count("<polyline") == (count > 1)


def test_the_legend_of_a_dashed_line_is_dashed() -> None:
    points = [(0, 0.0), (100, 1.0)]
    lines = [Series("first", points, "red"), Series("second", points, "blue", dashed=True)]
    legend = line_chart("AP", lines, AXES).partition("<ul")[2]
    assert re.findall(r"3px (\w+) (\w+)", legend) == [("solid", "red"), ("dashed", "blue")]
