"""What the converters share: pictures with boxes, of any format, and those as a COCO JSON file.

Boxes are (x, y, width, height) in pixels, x and y measured from the image's upper left corner;
sizes (height, width).  `where` is a file and line, for errors and notes.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from resnet_backbones.errors import UserError
from tasks.boxes import Box
from tasks.datasets.coco.units import find_units, units_error
from tasks.datasets.notes import Notes
from tasks.files import write_text
from tasks.images import find_images, is_hidden

Origin = Literal[0, 1]
"""1: corners are pixels counted from 1 and belong to the box, as VOC defines; 0: they are points,
the image's at 0."""


Polygon = tuple[float, ...]
"""Corners x, y, x, y, …"""


@dataclass(frozen=True, kw_only=True)
class LabelledBox:
    """One annotated object."""

    label: str
    box: Box
    crowd: bool = False  # not scored and no target of training
    polygons: tuple[Polygon, ...] = ()  # its outlines, where the format has them
    mask: tuple[int, ...] = ()  # or COCO's run lengths on the image, down its columns


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image with its objects."""

    file_name: str  # relative to the image folder
    size: tuple[int, int]
    boxes: tuple[LabelledBox, ...]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A split in no particular format."""

    image_root: Path
    categories: tuple[str, ...]  # in the order of their ids, from 1
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...]


def images_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Find the image files below a folder by their path in it without suffix."""
    if folder.is_file():
        raise UserError(f"images must be a folder, got the file {folder}")
    files: dict[str, list[Path]] = {}
    for path in find_images(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        files.setdefault(stem, []).append(path)
    return files


def box_of_corners(
    corners: Sequence[float], origin: Origin, where: str, notes: Notes
) -> Box | None:
    """Convert (xmin, ymin, xmax, ymax) to (x, y, width, height); None, and a note, without area."""
    xmin, ymin, xmax, ymax = corners
    x = xmin - origin
    y = ymin - origin
    if xmax <= x or ymax <= y:
        notes.add("boxes without a positive width and height were left out", where)
        return None
    return x, y, xmax - x, ymax - y


def class_name(text: str, where: str) -> str:
    """The name of a class without blanks around it.

    Raises UserError, naming file and line, for a name that training refuses: an empty one, one of
    several lines, or with other characters that nothing shows.
    """
    name = text.strip()
    if not name or not name.isprintable():
        raise UserError(
            f"{where}: a class name must be one line of characters that can be shown, got {text!r};"
            " rename it"
        )
    return name


def order_of(names: Iterable[str], categories: Sequence[str] | None) -> tuple[str, ...]:
    """Order categories by their ids: those asked for, or else the names that occur, sorted."""
    return tuple(categories) if categories is not None else tuple(sorted(set(names)))


def visible_files(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that match, sorted; hidden ones and what is no file are left out."""
    found = sorted(folder.rglob(pattern))
    return [
        path
        for path in found
        if path.is_file() and not is_hidden(path.relative_to(folder).as_posix())
    ]


def on_image(box: LabelledBox, size: tuple[int, int], where: str, notes: Notes) -> bool:
    """Whether a part of a box is on its image; notes one without."""
    height, width = size
    x, y, box_width, box_height = box.box
    inside = x < width and y < height and x + box_width > 0 and y + box_height > 0
    if not inside:
        notes.add("boxes without a part in their image were left out", where)
    return inside


def check_label(label: str, categories: Sequence[str], where: str) -> None:
    """Raise UserError, naming file and line, for a label that is no category."""
    if label not in categories:
        raise UserError(
            f"{where}: every label must be one of the categories {', '.join(categories)}, got"
            f" {label!r}; correct it, or add it to --categories"
        )


def check_units(path: Path, pictures: Sequence[Picture]) -> None:
    """Raise UserError for boxes that are fractions of their image, or other numbers than said."""
    boxes = [box.box for picture in pictures for box in picture.boxes]
    sizes = [picture.size for picture in pictures for _ in picture.boxes]
    array = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    units = find_units(array, np.array(sizes, dtype=np.int32).reshape(-1, 2))
    if units != "pixels":
        raise UserError(f"{path}: {units_error(units, len(boxes))}")


def write_coco(
    converted: Converted,
    out: str | Path,
    *,
    check_command: str = "backbones check",
    train_command: str = "backbones train",
) -> str:
    """Write a COCO instances file and say what was written and what to do next.

    The commands are how the user starts a check and a training. Raises UserError where the file
    cannot be written.
    """
    path = Path(out)
    write_text(path, json.dumps(_content(converted)))
    images = shlex.quote(str(converted.image_root))
    annotations = shlex.quote(str(path))
    own = (images, annotations)
    other = ("IMAGES", "OTHER.json")
    train, val = (other, own) if _is_for_validation(path) else (own, other)
    lines = _summary(converted, path)
    lines += [
        f"check it:  {check_command} {images} {annotations}",
        f"train:     {train_command} faster_rcnn_r18_custom \\",
        f"               data.train.images={train[0]} data.train.annotations={train[1]} \\",
        f"               data.val.images={val[0]} data.val.annotations={val[1]}",
    ]
    return "\n".join(lines)


def _is_for_validation(path: Path) -> bool:
    """Tell whether a file's name says that it is a validation or test split."""
    return any(word in path.stem.lower() for word in ("val", "test"))


def _content(converted: Converted) -> dict[str, list[dict[str, object]]]:
    """The lists of a COCO file."""
    ids = {name: number for number, name in enumerate(converted.categories, start=1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, picture in enumerate(converted.pictures, start=1):
        height, width = picture.size
        image = {"id": number, "file_name": picture.file_name, "height": height, "width": width}
        images.append(image)
        for box in picture.boxes:
            owners = {"image_id": number, "category_id": ids[box.label]}
            annotations.append(
                {"id": len(annotations) + 1, **owners, **_geometry(box, picture.size)}
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": images, "categories": categories, "annotations": annotations}


def _geometry(box: LabelledBox, size: tuple[int, int]) -> dict[str, object]:
    """The parts of an annotation that say where the object is.

    Its area is that of the mask or the outlines, where there are any.
    """
    outlined = sum(_outline_area(polygon) for polygon in box.polygons)
    area = sum(box.mask[1::2]) or outlined or box.box[2] * box.box[3]
    geometry: dict[str, object] = {"bbox": list(box.box), "area": area, "iscrowd": int(box.crowd)}
    if box.mask:
        return {**geometry, "segmentation": {"size": list(size), "counts": list(box.mask)}}
    if box.polygons:
        return {**geometry, "segmentation": [list(polygon) for polygon in box.polygons]}
    return geometry


def _outline_area(polygon: Sequence[float]) -> float:
    """Area of a polygon x, y, x, y, … by the shoelace formula; 0 for none."""
    xs = polygon[0::2]
    ys = polygon[1::2]
    total = 0.0
    for corner, (x, y) in enumerate(zip(xs, ys, strict=True)):
        total += x * ys[corner - 1] - xs[corner - 1] * y
    return abs(total) / 2


def _summary(converted: Converted, path: Path) -> list[str]:
    """What was written, line by line."""
    boxes: list[LabelledBox] = []
    for picture in converted.pictures:
        boxes += picture.boxes
    counts = Counter(box.label for box in boxes)
    crowds = sum(box.crowd for box in boxes)
    empty = sum(not picture.boxes for picture in converted.pictures)
    lines = [
        f"wrote {path}",
        f"  {len(converted.pictures)} images, {empty} of them without objects",
        f"  {len(boxes)} objects, {crowds} of them ignored (iscrowd)",
    ]
    for number, name in enumerate(converted.categories, start=1):
        lines.append(f"  {number:>4} {name}: {counts[name]}")
    return lines + [f"warning: {line}" for line in converted.warnings]
