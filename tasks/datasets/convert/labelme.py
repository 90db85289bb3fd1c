"""Read Labelme's folders (one JSON file an image) as pictures with outlines.

Polygons, rectangles, circles and masks are read. Outlines of one label and one group are one
object.
"""

import base64
import binascii
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.coco.json_file import parse_json
from tasks.datasets.coco.masks import FARTHEST
from tasks.datasets.convert.outlines import ellipse, masked, outlined, rectangle
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Picture,
    Polygon,
    check_label,
    class_name,
    order_of,
    visible_files,
)
from tasks.datasets.notes import Notes
from tasks.datasets.text_files import read_file
from tasks.errors import DataError
from tasks.images import SUFFIXES, image_size, stored_values

_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}  # points of a shape at least


@dataclass(frozen=True)
class _Shape:
    """A shape that covers an area."""

    kind: str
    label: str
    points: tuple[tuple[float, float], ...]
    group: Any
    mask: str  # PNG as base64
    where: str


@dataclass(frozen=True)
class _Drawing:
    """A file, its image, and its shapes."""

    file: Path
    image: Path
    stated: tuple[Any, Any]  # height and width of the image that was drawn on
    shapes: tuple[_Shape, ...]


def read_labelme(
    folder: str | Path,
    *,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
) -> Converted:
    """Read a folder of files; images are where the files say, or in the folder `images`.

    Without `categories` they are the sorted labels. Raises UserError naming file and shape.
    """
    root = Path(folder)
    image_folder = None if images is None else Path(images)
    notes = Notes()
    drawings: list[_Drawing] = []
    for path in visible_files(root, "*.json") if root.is_dir() else []:
        content = _read(path)
        if "shapes" not in content or "imagePath" not in content:
            notes.add("JSON files are not Labelme's and were left out", path)
            continue
        drawings.append(_drawing(path, content, image_folder, notes))
    if not drawings:
        raise UserError(f"a folder of Labelme's JSON files must hold one, found none in {root}")
    image_root = Path(os.path.commonpath([drawing.image.parent for drawing in drawings]))
    names = [shape.label for drawing in drawings for shape in drawing.shapes]
    order = order_of(names, categories)
    pictures = tuple(_picture(drawing, image_root, order, notes) for drawing in drawings)
    return Converted(
        image_root=image_root, categories=order, pictures=pictures, warnings=notes.lines()
    )


def _read(path: Path) -> Mapping[str, Any]:
    """Read a JSON file; empty if it does not hold an object."""
    try:
        content = parse_json(read_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: must be a JSON file, cannot read it: {error}; correct it or take it out"
        ) from error
    return content if isinstance(content, Mapping) else {}


def _drawing(
    path: Path, content: Mapping[str, Any], image_folder: Path | None, notes: Notes
) -> _Drawing:
    image = _image(path, str(content["imagePath"]), image_folder)
    shapes: list[_Shape] = []
    records = content["shapes"]
    if not isinstance(records, list):
        raise UserError(
            f"{path}: shapes must be a list, got {type(records).__name__}; correct the file"
        )
    for place, record in enumerate(records):
        where = f"{path}: shape {place}"
        kind = _kind_of(record, where)
        if kind not in _POINTS:
            notes.add(f"shapes of the kind {kind} were left out", where)
            continue
        shapes.append(_shape(record, kind, where))
    stated = (content.get("imageHeight"), content.get("imageWidth"))
    return _Drawing(path, image, stated, tuple(shapes))


def _image(path: Path, name: str, image_folder: Path | None) -> Path:
    """Find the image of a file: where it says, or of its own name; UserError if there is none."""
    name = name.replace("\\", "/")
    folder = path.parent if image_folder is None else image_folder
    tried = [folder / name, folder / Path(name).name]
    tried += [folder / f"{path.stem}{suffix}" for suffix in sorted(SUFFIXES)]
    for candidate in tried:
        if candidate.is_file():
            return Path(os.path.normpath(candidate))
    raise UserError(
        f"{path}: no image {name!r} in {folder}; add it, or name the folder with --images"
    )


def _kind_of(record: Any, where: str) -> str:
    """Return the kind of a shape; a polygon if it does not say."""
    if not isinstance(record, Mapping) or not isinstance(record.get("label"), str):
        raise UserError(f"{where}: must have a label, got {repr(record)[:60]}; correct the file")
    return str(record.get("shape_type") or "polygon")


def _shape(record: Mapping[str, Any], kind: str, where: str) -> _Shape:
    try:
        points = tuple((float(x), float(y)) for x, y in record["points"])
        near = all(abs(value) <= FARTHEST for point in points for value in point)
    except (KeyError, TypeError, ValueError, OverflowError):
        points = ()
        near = False
    if not near or len(points) < _POINTS[kind]:
        raise UserError(
            f"{where}: the points of a {kind} must be {_POINTS[kind]} or more pairs of numbers, got"
            f" {repr(record.get('points'))[:60]}; correct the file"
        )
    mask = str(record.get("mask") or "")
    label = class_name(record["label"], where)
    return _Shape(kind, label, points, record.get("group_id"), mask, where)


def _picture(
    drawing: _Drawing, image_root: Path, categories: Sequence[str], notes: Notes
) -> Picture:
    size = image_size(drawing.image)
    if drawing.stated not in (size, (None, None)):
        raise UserError(
            f"{drawing.file}: {drawing.image} must be {drawing.stated[1]}x{drawing.stated[0]}"
            f" pixels (width x height) as its shapes were drawn, got {size[1]}x{size[0]}; use the"
            " image that was annotated"
        )
    boxes: list[LabelledBox] = []
    for shapes in _grouped(drawing.shapes):
        check_label(shapes[0].label, categories, shapes[0].where)
        box = _object(shapes, size, notes)
        if box is not None:
            boxes.append(box)
    file_name = drawing.image.relative_to(image_root).as_posix()
    return Picture(file_name=file_name, size=size, boxes=tuple(boxes))


def _grouped(shapes: Sequence[_Shape]) -> list[list[_Shape]]:
    """The shapes of each object, in the order of their first."""
    groups: dict[tuple[str, str], list[_Shape]] = {}
    for place, shape in enumerate(shapes):
        alone = shape.group is None or shape.kind == "mask"
        key = f"shape {place}" if alone else f"group {shape.group}"
        groups.setdefault((shape.label, key), []).append(shape)
    return list(groups.values())


def _object(shapes: Sequence[_Shape], size: tuple[int, int], notes: Notes) -> LabelledBox | None:
    """Read an object; None, and a note, if it is left out."""
    first = shapes[0]
    if first.kind == "mask":
        return _mask(first, size, notes)
    polygons = [_outline(shape) for shape in shapes]
    return outlined(first.label, polygons, size, first.where, notes)


def _outline(shape: _Shape) -> Polygon:
    """Return the corners of a shape that is not a mask."""
    if shape.kind == "circle":
        (x, y), (edge_x, edge_y) = shape.points[:2]
        radius = math.hypot(edge_x - x, edge_y - y)
        return ellipse(x, y, radius, radius)
    if shape.kind == "rectangle" and len(shape.points) == 2:
        (left, top), (right, bottom) = shape.points
        return rectangle(left, top, right, bottom)
    return tuple(value for point in shape.points for value in point)


def _mask(shape: _Shape, size: tuple[int, int], notes: Notes) -> LabelledBox | None:
    """Make the object of a mask; the mask is a PNG of its box."""
    try:
        stored = stored_values(base64.b64decode(shape.mask, validate=True))
    except (binascii.Error, DataError) as error:
        raise UserError(
            f"{shape.where}: mask must be a PNG as base64, got: {error}; correct the file"
        ) from error
    part = stored.astype(np.bool_).reshape(*stored.shape[:2], -1)[..., 0]
    xs, ys = zip(*shape.points, strict=True)
    return masked(shape.label, part, (round(min(xs)), round(min(ys))), size, shape.where, notes)
