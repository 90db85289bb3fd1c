"""Ids of images, categories and annotations."""

from collections.abc import Container
from typing import Any

from tasks.labels import FileId

_WHOLE = 2.0**53  # below which a number with a point is exact
_LONGEST = 18  # digits of a number that is looked for among texts, or the other way around


def file_id(value: Any) -> FileId | None:
    """The id that a value stands for, None for no id; a spreadsheet's 1.0 is 1, as in pycocotools.

    1 and the text "1" are different ids.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _WHOLE else None
    return value if isinstance(value, int | str) else None


def other_spelling(value: Any, known: Container[FileId]) -> FileId | None:
    """The known id that a value is another spelling of: 1 of "1" and "1.0", "1" of 1; else None."""
    found = file_id(value)
    if isinstance(found, int) and abs(found) < 10**_LONGEST:
        return str(found) if str(found) in known else None
    if not isinstance(found, str):
        return None
    digits = found.strip().removesuffix(".0")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _LONGEST:
        return None
    return int(digits) if int(digits) in known else None
