"""Interleaving, ratios and the written report."""

import json
from pathlib import Path

import pytest

from benchmarks.common import Goal, Report, Timings, interleave, markdown_table
from resnet_backbones.errors import UserError

TIMINGS = Timings(
    "speed",
    {"base": [2.0, 4.0, 6.0], "quick": [1.0, 1.0, 2.0]},
    (Goal("quick", "base", 2.5), Goal("quick", "gone", 9)),
)


def test_variants_take_turns_after_a_round_that_does_not_count() -> None:
    calls: list[str] = []
    seconds = interleave({name: lambda name=name: calls.append(name) for name in "ABC"}, 2)
    assert "".join(calls) == "ABCABCABC"
    assert {name: len(values) for name, values in seconds.items()} == {"A": 2, "B": 2, "C": 2}


def test_no_rounds_are_refused() -> None:
    with pytest.raises(UserError, match="--rounds must be >= 1, got 0"):
        interleave({}, 0)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert TIMINGS.ratio("quick") == 3.0  # of 2, 4 and 3; the medians' ratio would be 4
    assert TIMINGS.ratio("base") == 1.0


def test_goals_are_judged_where_both_variants_were_measured() -> None:
    row = next(line for line in TIMINGS.table() if "quick" in line)
    assert ">= 2.5 x base: reached" in row
    assert "gone" not in row


def test_a_missed_goal_says_what_was_measured() -> None:
    missed = Timings("speed", TIMINGS.seconds, (Goal("quick", "base", 5),))
    assert ">= 5 x base: missed at 3.00" in "\n".join(missed.table())


def test_tables_are_padded() -> None:
    assert markdown_table([("a", "bcd"), ("efg", "h")]) == [
        "| a   | bcd |",
        "|-----|-----|",
        "| efg | h   |",
    ]


def test_the_report_is_written_as_json_and_markdown(tmp_path: Path) -> None:
    report = Report("some", "Some benchmark", ("the same",), (TIMINGS,), ("a note",))
    as_json, as_markdown = report.write(tmp_path / "new")
    written = json.loads(as_json.read_text())
    assert written["timings"][0]["seconds"] == {"base": [2.0, 4.0, 6.0], "quick": [1.0, 1.0, 2.0]}
    assert written["timings"][0]["goals"] == [
        {"variant": "quick", "base": "base", "factor": 2.5, "measured": 3.0}
    ]
    assert {"CPU", "versions", "command", "date"} <= written.keys()
    text = as_markdown.read_text()
    assert [
        part
        for part in ("# Some benchmark", "* the same", "a note", "3 rounds")
        if part not in text
    ] == []
