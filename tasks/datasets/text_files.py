"""Text files that people made."""

import codecs
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


def read_file(path: Path) -> bytes:
    """Read a file's bytes; OSError if it cannot be read, and for a pipe or a device, as reading
    these might never end.
    """
    if path.exists() and not path.is_file():
        raise OSError("not a file, but a folder, a pipe or a device")
    return path.read_bytes()


def read_text(path: Path, what: str) -> str:
    """Read the text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises UserError if it cannot be read; `what` says in the message what the file is.
    """
    try:
        content = read_file(path)
        marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if marked else "utf-8-sig")  # spreadsheets write such marks
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} must be a text file in UTF-8, {path} has another encoding: {error}; save it as"
            " UTF-8"
        ) from error
    except OSError as error:
        raise UserError(
            f"{what} must be a text file in UTF-8, cannot read {path}: {error}; check the path"
        ) from error


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a CSV, including the header; empty rows are left out.

    The separator is the comma, semicolon or tab that is most frequent in the first line. Raises
    UserError if the file cannot be read.
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
