"""Charts whose numbers are in the page."""

import re

from tasks.report.charts import matrix_chart


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
