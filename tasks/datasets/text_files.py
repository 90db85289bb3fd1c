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
    """A file's bytes; OSError for one that cannot be read, and for a pipe or a device, of which one
    would wait for the end.
    """
    if path.exists() and not path.is_file():
        raise OSError("not a file, but a folder, a pipe or a device")
    return path.read_bytes()


def read_text(path: Path, what: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a mark at its beginning.

    Raises UserError, naming `what` the file is, for one that cannot be read.
    """
    try:
        content = read_file(path)
        marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if marked else "utf-8-sig")  # spreadsheets write marks
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
