"""Rows as CSV and back."""

from pathlib import Path

from toy_study import point

from studies.residual.csv_rows import as_csv, from_csv
from studies.residual.points import Point


def test_a_row_is_a_line_under_the_names_of_its_fields() -> None:
    heading, row = as_csv(Point, [point(lr=None)]).splitlines()
    cells = dict(zip(heading.split(","), row.split(","), strict=True))
    told = ("study", "run", "step", "epoch", "train_error", "test_error", "lr")
    assert [cells[name] for name in told] == [
        *("degradation", "plain20-0", "1", "1.0", "50.0", "60.0", ""),
    ]


def test_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    rows = [point(), point(seed=1, step_loss=None)]
    path = tmp_path / "points.csv"
    path.write_text(as_csv(Point, rows))
    assert from_csv(Point, path) == rows
