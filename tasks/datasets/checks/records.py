"""What is wrong with the records of a COCO file, all of it in one pass, by the rules of the
training reader.

Boxes are (x, y, width, height) in pixels, sizes (height, width).  An entry is named by its list and
its place in it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from resnet_backbones.errors import UserError
from tasks.datasets.coco.json_file import read_json
from tasks.datasets.coco.objects import Box, Record
from tasks.datasets.coco.sizes import annotated_size, image_file_name
from tasks.images import Exif
from tasks.labels import FileId

Severity = Literal["error", "warning"]
Remedy = Literal["drop", "clip", "renumber", "size", "merge", "unmask"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect."""

    kind: str
    severity: Severity
    file: str
    """The annotation file, or the image file that is wrong."""
    entry: str
    """The record: `annotation 7`, `image 3`, `category 1`."""
    seen: str
    """What was found."""
    image: Path | None = None
    """Image to show."""
    box: Box | None = None
    """Box to draw on it."""
    place: tuple[str, int] | None = None
    """List of the file and index in it."""
    remedy: Remedy | None = None
    """What mends it, where something can."""
    target: Any = None
    """Record to merge into, or (height, width)."""


@dataclass(frozen=True)
class CheckedObject:
    """An annotation that training can use."""

    index: int  # in the list of annotations
    image: FileId
    category: FileId
    crowd: bool
    area: float
    box: Box


@dataclass(kw_only=True)
class Records:
    """The records that can be used, and the findings on the way to them."""

    path: Path
    image_root: Path
    exif: Exif
    content: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    images: dict[FileId, int] = field(default_factory=dict)
    """Place of each image that has an id and a file name."""
    sizes: dict[FileId, tuple[int, int]] = field(default_factory=dict)
    """By the annotations, or by the file's header."""
    categories: dict[FileId, int] = field(default_factory=dict)
    objects: list[CheckedObject] = field(default_factory=list)

    def add(self, kind: str, severity: Severity, entry: str, seen: str, **more: Any) -> None:
        """Note a defect of the annotation file."""
        self.findings.append(
            Finding(
                kind=kind, severity=severity, file=str(self.path), entry=entry, seen=seen, **more
            )
        )

    def image_path(self, image: FileId) -> Path:
        """File of the image with an id."""
        return self.image_root / image_file_name(self.content["images"][self.images[image]])

    def category_name(self, category: FileId) -> str:
        """Name of the category with an id, as the reader has it."""
        return str(self.content["categories"][self.categories[category]].get("name", category))


def read_records(path: Path, image_root: Path, exif: Exif) -> Records:
    """The images and categories of a file, with everything that is wrong about them; no annotation
    is read yet.
    """
    records = Records(path=path, image_root=image_root, exif=exif)
    repeated: list[tuple[str, str]] = []
    try:
        records.content = read_json(path, lambda pairs: _object(pairs, repeated))
    except UserError as error:
        records.add("unreadable annotations", "error", "the file", str(error))
        return records
    for key, entry in repeated:
        records.add(
            "repeated key",
            "error",
            entry,
            f"the key {key!r} stands there more than once; the last one counts",
        )
    for name in ("images", "categories"):
        if not records.content[name]:
            records.add("empty list", "error", "the file", f"its list of {name} is empty")
    _read_images(records)
    _read_categories(records)
    return records


def _object(pairs: list[tuple[str, Any]], repeated: list[tuple[str, str]]) -> dict[str, Any]:
    """A JSON object, its keys that occur twice noted."""
    values = dict(pairs)
    if len(values) < len(pairs):
        entry = f"the record with id {values['id']!r}" if "id" in values else "a record without id"
        repeated.extend(
            (key, entry) for key, count in Counter(key for key, _ in pairs).items() if count > 1
        )
    return values


def _identified(records: Records, name: str, kind: str) -> Iterator[tuple[int, FileId, Record]]:
    """Place, id and record of the entries of a list that have an id; the others are noted."""
    for index, record in enumerate(records.content[name]):
        value = record.get("id") if isinstance(record, Mapping) else None
        if isinstance(value, int | str):
            yield index, value, record
        else:
            seen = (
                f"every {kind} needs an id that is a whole number or a text, got"
                f" {repr(record)[:80]}"
            )
            place = (name, index)
            records.add(
                "malformed record",
                "error",
                f"{kind} at place {index}",
                seen,
                place=place,
                remedy="drop",
            )


def _read_images(records: Records) -> None:
    files: dict[str, int] = {}
    for index, value, record in _identified(records, "images", "image"):
        entry, place = f"image {value!r}", ("images", index)
        try:
            name = image_file_name(record)
        except UserError as error:
            records.add("malformed record", "error", entry, str(error), place=place, remedy="drop")
            continue
        first = files.setdefault(str(Path(name)), index)
        if value in records.images:
            _add_duplicate(records, index, value, name)
            continue
        records.images[value] = index
        if first != index:
            other = records.content["images"][first]["id"]
            seen = (
                f"{name} is the file of image {other!r} too; each has the other's objects as"
                " background"
            )
            shown = records.image_path(value)
            records.add(
                "duplicate file name",
                "error",
                entry,
                seen,
                image=shown,
                place=place,
                remedy="merge",
                target=first,
            )
        _read_size(records, value, record)


def _add_duplicate(records: Records, index: int, value: FileId, name: str) -> None:
    """An image whose id another has; which of the two the objects are of cannot be told unless the
    file is the same.
    """
    entry, path = f"image {value!r}", records.image_root / name
    first = records.image_path(value)
    seen = f"{first.name} and {path.name} have this id"
    records.add(
        "duplicate image id",
        "error",
        entry,
        seen,
        image=path,
        place=("images", index),
        remedy="drop",
    )
    if first != path:
        seen += "; whose the objects are cannot be told"
        place = ("images", records.images[value])
        records.add(
            "duplicate image id", "error", entry, seen, image=first, place=place, remedy="drop"
        )


def _read_size(records: Records, value: FileId, record: Record) -> None:
    unsaid = record.get("height") is None or record.get("width") is None
    try:
        records.sizes[value] = annotated_size(record, records.image_root, records.exif)
    except UserError as error:
        if unsaid:
            return  # the file is missing or unreadable, which its own check tells
        place = ("images", records.images[value])
        records.add(
            "malformed record", "error", f"image {value!r}", str(error), place=place, remedy="size"
        )


def _read_categories(records: Records) -> None:
    names: dict[str, int] = {}
    for index, value, record in _identified(records, "categories", "category"):
        entry, place = f"category {value!r}", ("categories", index)
        name = str(record.get("name", value))
        if value in records.categories:
            seen = f"{records.category_name(value)!r} and {name!r} have this id"
            records.add("duplicate category id", "error", entry, seen, place=place, remedy="drop")
            continue
        records.categories[value] = index
        if not isinstance(record.get("name"), str) or not name:
            seen = (
                f"a category needs a name, got {record.get('name')!r}; it is called {name!r} in"
                " training"
            )
            records.add("category without name", "warning", entry, seen, place=place)
        first = names.setdefault(name, index)
        if first != index:
            other = records.content["categories"][first]["id"]
            seen = f"category {other!r} is called {name!r} too; training tells the two apart"
            records.add(
                "duplicate category name",
                "warning",
                entry,
                seen,
                place=place,
                remedy="merge",
                target=first,
            )
