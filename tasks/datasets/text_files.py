"""Text files that people made."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError


@dataclass(frozen=True)
class Row:
    """A row of a CSV."""

    line: int
    """Its line in the file, from 1."""
    values: list[str]


def read_text(path: Path, what: str) -> str:
    """A UTF-8 file's text; UserError, naming `what` the file is, for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets begin theirs with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{what} must be a text file (UTF-8), cannot read {path}: {error}"
        ) from error


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a CSV, header included; empty ones are left out.

    The separator is the first line's most frequent of comma, semicolon and tab. UserError for a
    file that cannot be read.
    """
    text = read_text(path, "a CSV")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [Row(reader.line_num, values) for values in reader if values]
    except csv.Error as error:
        raise UserError(
            f"{path}:{reader.line_num}: must be a row of a CSV, got: {error}; correct the file"
        ) from error
