"""Read a CSV file of boxes, one a row, as pictures with boxes.  `where` is a file and line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.boxes import Box
from tasks.datasets.coco.masks import FARTHEST
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Origin,
    Picture,
    box_of_corners,
    check_label,
    check_units,
    class_name,
    on_image,
    order_of,
)
from tasks.datasets.notes import Notes
from tasks.datasets.text_files import read_rows
from tasks.images import image_size

KNOWN = {  # our columns, and their names in other people's files, lower case
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
NUMBERS = ("x1", "y1", "x2", "y2", "w", "h")
Row = dict[str, str]  # by the header's names
Columns = Mapping[str, str]  # ours to the header's names


def read_csv(
    file: str | Path,
    *,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
    columns: Columns | None = None,
    origin: Origin = 0,
) -> Converted:
    """Read the boxes of a CSV with a header.

    `images` is the folder of its file names, None the file's own. Corners (x1, y1, x2, y2) are read
    if the header has x2 and y2, otherwise x1, y1, w, h; `columns` gives the header's names of
    these, of `file` and of `label`. A row with empty numbers is an image without objects. Sizes are
    those of the image files. Raises UserError naming file and line.
    """
    path = Path(file)
    header, rows = _rows(path)
    names = _columns(path, header, columns or {}, categories)
    ordered = order_of(_labels(path, rows, names), categories)
    image_root = Path(images) if images is not None else path.parent
    notes = Notes()
    boxes: dict[str, list[tuple[str, LabelledBox]]] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        file_name = _file_name(row[names["file"]].strip(), image_root, where)
        owned = boxes.setdefault(file_name, [])
        box = _box(row, names, origin, where, notes) if _has_box(row, names) else None
        if box is not None:
            label = class_name(row[names["label"]], where) if "label" in names else ordered[0]
            check_label(label, ordered, where)
            owned.append((where, LabelledBox(label=label, box=box)))
    pictures = [_picture(name, image_root, boxes[name], notes) for name in sorted(boxes)]
    check_units(path, pictures)
    return Converted(
        image_root=image_root,
        categories=ordered,
        pictures=tuple(pictures),
        warnings=notes.lines(),
    )


def _picture(
    name: str, image_root: Path, boxes: Sequence[tuple[str, LabelledBox]], notes: Notes
) -> Picture:
    """Return an image with the boxes that overlap it; each has its place in the file."""
    size = image_size(image_root / name)
    kept = [box for where, box in boxes if on_image(box, size, where, notes)]
    return Picture(file_name=name, size=size, boxes=tuple(kept))


def _rows(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Header and rows, each with its line."""
    header: list[str] = []
    rows: list[tuple[int, Row]] = []
    for row in read_rows(path):
        if not header:
            header = [name.strip() for name in row.values]
            continue
        if len(row.values) != len(header):
            raise UserError(
                f"{path}:{row.line}: must have the header's {len(header)} columns, got"
                f" {len(row.values)}"
            )
        rows.append((row.line, dict(zip(header, row.values, strict=True))))
    if not rows:
        raise UserError(f"{path} must hold a header and at least one row, got {header}")
    return header, rows


def _columns(
    path: Path, header: Sequence[str], asked: Columns, categories: Sequence[str] | None
) -> dict[str, str]:
    """Return the header's name of each needed column."""
    wrong = [name for name in asked if name not in KNOWN]
    wrong += [name for name in asked.values() if name not in header]
    if wrong:
        raise UserError(
            f"--columns pairs {', '.join(KNOWN)} with names of the header, got {wrong[0]}; {path}"
            f" has {', '.join(header)}"
        )
    columns = _known_columns(header)
    columns |= {column: name for column, name in asked.items() if name}
    has_corners = {"x2", "y2"} <= columns.keys()
    asks_for_sides = {"w", "h"} <= asked.keys()
    sides = ("x2", "y2") if has_corners and not asks_for_sides else ("w", "h")
    needed = ["file", "label", "x1", "y1", *sides]
    if "label" not in columns and categories is not None and len(categories) == 1:
        needed.remove("label")  # all boxes are of the one category
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(
            f"{path}: no column for {', '.join(missing)} in the header {', '.join(header)}; name it"
            f" with --columns {missing[0]}=NAME"
        )
    return {name: columns[name] for name in needed}


def _known_columns(header: Sequence[str]) -> dict[str, str]:
    """Return the columns of the header with a known name; the first of equal ones."""
    lower = {name.lower(): name for name in reversed(header)}
    columns: dict[str, str] = {}
    for column, names in KNOWN.items():
        present = [lower[name] for name in names if name in lower]
        if present:
            columns[column] = present[0]
    return columns


def _labels(path: Path, rows: Sequence[tuple[int, Row]], names: Columns) -> set[str]:
    """Return the labels of all boxes; empty if the file has no column for them."""
    if "label" not in names:
        return set()
    column = names["label"]
    boxes = [(line, row) for line, row in rows if _has_box(row, names)]
    return {class_name(row[column], f"{path}:{line}") for line, row in boxes}


def _has_box(row: Row, names: Columns) -> bool:
    return any(row[names[column]].strip() for column in NUMBERS if column in names)


def _file_name(name: str, image_root: Path, where: str) -> str:
    """The image's path in its folder; for a path from elsewhere, that of the file's bare name."""
    for candidate in (name, name.replace("\\", "/").rpartition("/")[2]):
        if candidate and not Path(candidate).is_absolute() and (image_root / candidate).is_file():
            return candidate
    raise UserError(
        f"{where}: no image {name[:200]!r} in {image_root}; correct the row, or name the folder"
        " with --images"
    )


def _box(row: Row, names: Columns, origin: Origin, where: str, notes: Notes) -> Box | None:
    """Return the row's box; None, and a note, if it has no area."""
    numbers: dict[str, float] = {}
    for column in names.keys() - {"file", "label"}:
        numbers[column] = _number(row[names[column]], names[column], where)
    if "x2" in numbers:
        corners = [numbers[column] for column in ("x1", "y1", "x2", "y2")]
        return box_of_corners(corners, origin, where, notes)
    x = numbers["x1"] - origin
    y = numbers["y1"] - origin
    return box_of_corners((x, y, x + numbers["w"], y + numbers["h"]), 0, where, notes)


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) <= FARTHEST:
        raise UserError(f"{where}: {name} must be a number, got {text[:60]!r}; correct the row")
    return number
