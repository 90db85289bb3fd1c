"""What the converters share: annotations of any format as pictures with boxes, and those as a COCO
JSON file.

Boxes are (x, y, width, height) in pixels, x and y measured from the image's upper left corner;
sizes (height, width).
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.notes import Notes
from tasks.images import find_images

Origin = Literal[0, 1]
"""1: corners are pixels counted from 1 and belong to the box, as VOC defines; 0: they are points,
the image's at 0."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One annotated object."""

    label: str
    box: tuple[float, float, float, float]
    crowd: bool = False  # not scored and no target of training
    polygon: tuple[float, ...] = ()  # x, y, x, y, … of its outline where the format has one


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image with its objects."""

    file_name: str  # relative to the image folder
    size: tuple[int, int]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A split in no particular format."""

    image_root: Path
    categories: tuple[str, ...]  # in the order of their ids, from 1
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...]


def images_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Image files below a folder by their path in it without suffix."""
    found: dict[str, list[Path]] = {}
    for path in find_images(folder):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return found


def box_of_corners(
    corners: Sequence[float], origin: Origin, place: str, notes: Notes
) -> tuple[float, float, float, float] | None:
    """(x, y, width, height) of (xmin, ymin, xmax, ymax); None, and a note, where that has
    no area.
    """
    x1, y1, x2, y2 = corners
    x1, y1 = x1 - origin, y1 - origin
    if x2 <= x1 or y2 <= y1:
        notes.add("boxes without a positive width and height were left out", place)
        return None
    return x1, y1, x2 - x1, y2 - y1


def order_of(names: Iterable[str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Categories in the order of their ids: those given, or else the names that occur, sorted."""
    return tuple(given) if given is not None else tuple(sorted(set(names)))


def check_label(label: str, categories: Sequence[str], place: str) -> None:
    """Raise UserError, naming the place, for a label that is no category."""
    if label not in categories:
        raise UserError(
            f"{place}: every label must be one of the categories {', '.join(categories)}, got"
            f" {label!r}; mend it, or add it to --categories"
        )


def write_coco(converted: Converted, out: str | Path) -> str:
    """Write a COCO instances file; what was written and what to do next, as text. UserError where
    it cannot.
    """
    path = Path(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_content(converted)))
    except OSError as error:
        raise UserError(
            f"OUT.json must be a file that can be written, cannot write {path}: {error}"
        ) from error
    return "\n".join((*_summary(converted, path), *_next_commands(converted, path)))


def _content(converted: Converted) -> dict[str, list[dict[str, object]]]:
    ids = {name: number for number, name in enumerate(converted.categories, start=1)}
    pictures = list(enumerate(converted.pictures, start=1))
    owned = [(image, box) for image, picture in pictures for box in picture.boxes]
    return {
        "images": [
            {"id": image, "file_name": one.file_name, "height": one.size[0], "width": one.size[1]}
            for image, one in pictures
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [
            {"id": row, "image_id": image, "category_id": ids[box.label], **_geometry(box)}
            for row, (image, box) in enumerate(owned, start=1)
        ],
    }


def _geometry(box: Box) -> dict[str, object]:
    """The parts of an annotation that say where the object is; area is the outline's (shoelace)
    where there is one.
    """
    xs, ys = box.polygon[0::2], box.polygon[1::2]
    shoelace = sum(
        x * ys[place - 1] - xs[place - 1] * y
        for place, (x, y) in enumerate(zip(xs, ys, strict=True))
    )
    shape: dict[str, object] = {"segmentation": [list(box.polygon)]} if box.polygon else {}
    area = abs(shoelace) / 2 or box.box[2] * box.box[3]
    return {"bbox": list(box.box), "area": area, "iscrowd": int(box.crowd), **shape}


def _summary(converted: Converted, path: Path) -> list[str]:
    counts = Counter(box.label for picture in converted.pictures for box in picture.boxes)
    crowds = sum(box.crowd for picture in converted.pictures for box in picture.boxes)
    empty = sum(not picture.boxes for picture in converted.pictures)
    return [
        f"wrote {path}",
        f"  {len(converted.pictures)} images, {empty} of them without objects",
        f"  {counts.total()} objects, {crowds} of them ignored (iscrowd)",
        *(
            f"  {number:>4} {name}: {counts[name]}"
            for number, name in enumerate(converted.categories, start=1)
        ),
        *(f"warning: {line}" for line in converted.warnings),
    ]


def _next_commands(converted: Converted, path: Path) -> list[str]:
    images, annotations = shlex.quote(str(converted.image_root)), shlex.quote(str(path))
    return [
        f"check it:  tools/check_data.py {images} {annotations}",
        "train:     tools/train_det.py configs/faster_rcnn_r18_custom.yaml \\",
        f"               data.train.images={images} data.train.annotations={annotations} \\",
        "               data.val.images=IMAGES data.val.annotations=OTHER.json",
    ]
