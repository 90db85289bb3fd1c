"""metrics.jsonl read again, also after a kill, and damaged."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.metrics_file import read_metrics

GOOD = b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@pytest.mark.parametrize("torn", [b"", b'{"step": 3, "lo', b'{"step": 3}', b"\xc3"])
def test_a_last_line_without_an_end_is_dropped(file: Path, torn: bytes) -> None:
    file.write_bytes(GOOD + torn)
    assert read_metrics(file) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}]


@pytest.mark.parametrize("torn", [b"", b'{"step": 3, "lo'])
def test_nulls_at_the_end_are_what_a_power_cut_leaves(file: Path, torn: bytes) -> None:
    """fault_campaign C24."""
    file.write_bytes(GOOD + torn + b"\0" * 500)
    assert [row["step"] for row in read_metrics(file)] == [1, 2]


def test_nulls_in_the_middle_are_named(file: Path) -> None:
    file.write_bytes(GOOD + b"\0" * 40 + b"\n" + GOOD)
    with pytest.raises(UserError, match=r"metrics\.jsonl:3: a line must be a JSON object"):
        read_metrics(file)


def test_an_empty_file_has_no_rows(file: Path) -> None:
    file.write_bytes(b"")
    assert read_metrics(file) == []


@pytest.mark.parametrize(
    "line", [b"", b"[1]", b"3", b'{"step": 3', b'{"loss": 1}', b'{"step": "3"}', b"\xff\xfe"]
)
def test_a_line_that_is_no_row_is_named(file: Path, line: bytes) -> None:
    file.write_bytes(GOOD + line + b"\n" + GOOD)
    with pytest.raises(UserError, match=r"metrics\.jsonl:3: a line must be a JSON object with"):
        read_metrics(file)
