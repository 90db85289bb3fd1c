"""Write rows of a dataclass as CSV, and read them; None is an empty cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def as_csv(kind: type[Any], rows: Sequence[object]) -> str:
    """CSV text with the field names of `kind` as its header."""
    names = [field.name for field in fields(kind)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([getattr(row, name) for name in names])
    return text.getvalue()


def from_csv(kind: type[T], path: Path) -> list[T]:
    """Read rows; the fields of `kind` must be `str`, `int`, `float` or `float | None`."""
    with path.open(encoding="utf-8", newline="") as file:
        return [kind(**dict(_typed(kind, row))) for row in csv.DictReader(file)]


def _typed(kind: type[Any], row: dict[str, str]) -> Iterator[tuple[str, object]]:
    """Convert each cell to the type of its field."""
    for field in fields(kind):
        text = row[field.name]
        if field.type == "str":
            yield field.name, text
        elif field.type == "int":
            yield field.name, int(text)
        else:
            yield field.name, float(text) if text else None
