"""Compare ids of images, categories and annotations."""

from collections.abc import Container
from typing import Any

from tasks.labels import FileId

_WHOLE = 2.0**53  # numbers with a decimal point are exact below this
_LONGEST = 18  # digits of a number that is compared with texts


def file_id(value: Any) -> FileId | None:
    """Return the id of a value, or None; a spreadsheet's 1.0 is 1, as in pycocotools.

    1 and the text "1" are different ids.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _WHOLE else None
    return value if isinstance(value, int | str) else None


def other_spelling(value: Any, known: Container[FileId]) -> FileId | None:
    """Find the known id that differs only in spelling: 1 for "1" and "1.0", "1" for 1; or None."""
    found = file_id(value)
    if isinstance(found, int) and abs(found) < 10**_LONGEST:
        return str(found) if str(found) in known else None
    if not isinstance(found, str):
        return None
    digits = found.strip().removesuffix(".0")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _LONGEST:
        return None
    return int(digits) if int(digits) in known else None
