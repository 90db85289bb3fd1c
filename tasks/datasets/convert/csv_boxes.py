"""A CSV file of boxes, one a row, as pictures with boxes."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import (
    Box,
    Converted,
    Origin,
    Picture,
    box_of_corners,
    check_label,
    order_of,
)
from tasks.datasets.notes import Notes
from tasks.images import image_size

KNOWN = {  # our column to the names it goes by in other people's files, lower case
    "file": (
        "filename",
        "file_name",
        "file",
        "image",
        "image_path",
        "path",
        "img",
        "image_name",
        "image_id",
        "imageid",
    ),
    "label": ("class", "label", "class_name", "category", "name", "classname", "labelname"),
    "x1": ("xmin", "x1", "x_min", "left", "x", "bbox_x"),
    "y1": ("ymin", "y1", "y_min", "top", "y", "bbox_y"),
    "x2": ("xmax", "x2", "x_max", "right"),
    "y2": ("ymax", "y2", "y_max", "bottom"),
    "w": ("w", "box_width", "bbox_width", "width"),
    "h": ("h", "box_height", "bbox_height", "height"),
}


def read_csv(
    file: str | Path,
    *,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    origin: Origin = 0,
) -> Converted:
    """The boxes of a CSV with a header; `images` is the folder of its file names, the file's own
    when None.

    Corners (x1, y1, x2, y2) are read where the header has x2 and y2, else x1, y1, w, h; `columns`
    gives the header's names of these, of `file` and of `label`. A row with empty numbers is an
    image without objects. Sizes are those of the image files. Raises UserError naming file and
    line.
    """
    path = Path(file)
    header, rows = _rows(path)
    names = _columns(path, header, columns or {}, categories)
    labels = (
        {row[names["label"]].strip() for _, row in rows if _has_box(row, names)}
        if "label" in names
        else set()
    )
    ordered, notes = order_of(labels, categories), Notes()
    image_root = Path(images) if images is not None else path.parent
    boxes: dict[str, list[Box]] = {}
    for line, row in rows:
        place = f"{path}:{line}"
        owner = boxes.setdefault(_file_name(row[names["file"]].strip(), image_root, place), [])
        box = _box(row, names, origin, place, notes) if _has_box(row, names) else None
        label = row[names["label"]].strip() if "label" in names else ordered[0]
        if box is not None:
            check_label(label, ordered, place)
            owner.append(Box(label=label, box=box))
    pictures = tuple(
        Picture(file_name=name, size=image_size(image_root / name), boxes=tuple(boxes[name]))
        for name in sorted(boxes)
    )
    return Converted(
        image_root=image_root, categories=ordered, pictures=pictures, warnings=notes.lines()
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and rows, each with its line; the separator is the header's most frequent of comma,
    semicolon and tab.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"a CSV must be a text file (UTF-8), cannot read {path}: {error}"
        ) from error
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = [name.strip() for name in next(reader, [])]
    rows: list[tuple[int, dict[str, str]]] = []
    for values in reader:
        if len(values) not in (0, len(header)):
            raise UserError(
                f"{path}:{reader.line_num}: must have the header's {len(header)} columns, got"
                f" {len(values)}"
            )
        if values:
            rows.append((reader.line_num, dict(zip(header, values, strict=True))))
    if not rows:
        raise UserError(f"{path} must hold a header and at least one row, got {header}")
    return header, rows


def _columns(
    path: Path, header: Sequence[str], given: Mapping[str, str], categories: Sequence[str] | None
) -> dict[str, str]:
    """The header's name of each column that is needed."""
    if wrong := [name for name in given if name not in KNOWN] + [
        name for name in given.values() if name not in header
    ]:
        raise UserError(
            f"--columns pairs {', '.join(KNOWN)} with names of the header, got {wrong[0]}; {path}"
            f" has {', '.join(header)}"
        )
    lower = {name.lower(): name for name in reversed(header)}
    found = {
        ours: next((lower[name] for name in known if name in lower), "")
        for ours, known in KNOWN.items()
    }
    found = {ours: name for ours, name in {**found, **given}.items() if name}
    sides = (
        ("w", "h")
        if {"w", "h"} <= given.keys() or not {"x2", "y2"} <= found.keys()
        else ("x2", "y2")
    )
    optional = ("label",) if categories is not None and len(categories) == 1 else ()
    needed = [
        name
        for name in ("file", "label", "x1", "y1", *sides)
        if name in found or name not in optional
    ]
    if missing := [name for name in needed if name not in found]:
        raise UserError(
            f"{path}: no column for {', '.join(missing)} in the header {', '.join(header)}; name it"
            f" with --columns {missing[0]}=NAME"
        )
    return {name: found[name] for name in needed}


def _has_box(row: Mapping[str, str], names: Mapping[str, str]) -> bool:
    return any(
        row[names[column]].strip()
        for column in ("x1", "y1", "x2", "y2", "w", "h")
        if column in names
    )


def _file_name(name: str, image_root: Path, place: str) -> str:
    """The image's path in its folder; for a path from elsewhere, that of the file's bare name."""
    for candidate in (name, name.replace("\\", "/").rpartition("/")[2]):
        if candidate and not Path(candidate).is_absolute() and (image_root / candidate).is_file():
            return candidate
    raise UserError(
        f"{place}: no image {name!r} in {image_root}; mend the row, or name the folder with"
        " --images"
    )


def _box(
    row: Mapping[str, str], names: Mapping[str, str], origin: Origin, place: str, notes: Notes
) -> tuple[float, float, float, float] | None:
    numbers = {}
    for column in names.keys() - {"file", "label"}:
        text = row[names[column]]
        try:
            numbers[column] = float(text)
        except ValueError:
            numbers[column] = math.nan
        if not math.isfinite(numbers[column]):
            raise UserError(
                f"{place}: {names[column]} must be a number, got {text!r}; mend the row"
            )
    if "x2" in numbers:
        return box_of_corners(
            [numbers[column] for column in ("x1", "y1", "x2", "y2")], origin, place, notes
        )
    x, y = numbers["x1"] - origin, numbers["y1"] - origin
    return box_of_corners((x, y, x + numbers["w"], y + numbers["h"]), 0, place, notes)
