"""Ids as other tools write them (field_faults 11)."""

from typing import Any

import pytest

from tasks.datasets.coco.ids import file_id, other_spelling


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        ("7", "7"),
        (7.0, 7),
        (7.5, None),
        (float("nan"), None),
        (float("inf"), None),
        (2.0**60, None),
        (None, None),
        ([7], None),
    ],
)
def test_what_an_id_stands_for(value: Any, found: int | str | None) -> None:
    assert file_id(value) == found
    assert type(file_id(value)) is type(found)


@pytest.mark.parametrize(
    ("value", "found"),
    [("7", 7), ("7.0", 7), (" 7 ", 7), (8, "8"), ("9", None), (9, None), ("9" * 5000, None)],
)
def test_another_spelling_is_told_where_it_is_known(value: Any, found: int | str | None) -> None:
    assert other_spelling(value, {7: 0, "8": 1}) == found
