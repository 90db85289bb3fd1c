"""A CSV that lists image files and their classes.  N images, K classes."""

import os
from collections.abc import Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.listing import Listing, check_class_names, number_classes
from tasks.datasets.class_images.store import FileStore
from tasks.datasets.convert.csv_boxes import KNOWN
from tasks.datasets.packed import PackedValues
from tasks.datasets.text_files import Row, read_rows

STATTED = 100_000  # files at most; checking more takes minutes


def read_csv_list(path: Path) -> Listing:
    """List the rows of a CSV: a file (relative to the CSV's folder) and the name of its class.

    A header such as `file,label` may name these columns among others. Raises UserError with file
    and line for a bad row, a duplicate file, and a missing file; of 100,000 files or more, only
    the first must exist.
    """
    rows = read_rows(path)
    columns = _columns(rows[0].values) if rows else None
    width = 2
    if columns is not None:
        width = len(rows[0].values)
        rows = rows[1:]
    if not rows:
        raise UserError(f"{path} must hold a row for each image, file,label, and holds none")
    _check_rows(path, rows, width)
    file_column, class_column = columns or (0, 1)
    files = [row.values[file_column].strip() for row in rows]
    names = [row.values[class_column].strip() for row in rows]
    _check_files(path, rows, files)
    first = _first_lines(rows, names)
    if "" in first:
        raise UserError(f"{path}:{first['']}: must name a class, got none; complete the row")
    classes, labels = number_classes(names)
    check_class_names(path, classes)
    return Listing(FileStore(path.parent, PackedValues(files)), classes, labels, lines=first)


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    """Return the positions of the two columns, if the first row names them."""
    names = [name.strip().lower() for name in header]
    files = [place for place, name in enumerate(names) if name in KNOWN["file"]]
    classes = [place for place, name in enumerate(names) if name in KNOWN["label"]]
    return (files[0], classes[0]) if files and classes else None


def _check_rows(path: Path, rows: Sequence[Row], width: int) -> None:
    """Raise UserError for a row that has more or fewer columns."""
    for row in rows:
        if len(row.values) != width:
            raise UserError(
                f"{path}:{row.line}: must have {width} columns, got {len(row.values)}; correct the"
                " row, or begin with a header that has file and label among others"
            )


def _check_files(path: Path, rows: Sequence[Row], files: Sequence[str]) -> None:
    """Raise UserError for a file that is listed twice or missing."""
    first: dict[str, int] = {}
    for row, file in zip(rows, files, strict=True):
        earlier = first.setdefault(os.path.normpath(file), row.line)
        if earlier != row.line:
            raise UserError(
                f"{path}:{row.line}: a file must be listed once, {file!r} is in line {earlier} too;"
                " remove one of the two"
            )
    looked_for = len(files) if len(files) < STATTED else 1
    for row, file in zip(rows[:looked_for], files, strict=False):
        if not (path.parent / file).is_file():
            raise UserError(
                f"{path}:{row.line}: no file {file!r} in {path.parent}; correct the row (a header"
                " must be file,label)"
            )


def _first_lines(rows: Sequence[Row], names: Sequence[str]) -> dict[str, int]:
    """Line of each class's first row."""
    first: dict[str, int] = {}
    for row, name in zip(rows, names, strict=True):
        first.setdefault(name, row.line)
    return first
