"""Find defects in the records of a COCO file, by the rules of the training reader.

All of it is found in one pass.  Boxes are (x, y, width, height) in pixels, sizes (height, width).
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tasks.boxes import Box
from tasks.datasets.checks.images import ListedImage
from tasks.datasets.coco.categories import category_name
from tasks.datasets.coco.dataset import empty_list, missing_id, shared_file
from tasks.datasets.coco.ids import file_id
from tasks.datasets.coco.json_file import Record, read_json
from tasks.datasets.coco.sizes import annotated_size, image_file_name
from tasks.datasets.findings import Finding, Fix, Severity
from tasks.errors import DataError
from tasks.images import Exif
from tasks.labels import FileId

RepeatedKey = tuple[str, str]  # the key, and its record


@dataclass(frozen=True)
class CheckedObject:
    """An annotation that training can use."""

    index: int  # in the list of annotations
    image: FileId
    category: FileId
    crowd: bool
    area: float
    box: Box


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The demands on a file, besides that it can be read."""

    masks: bool = False
    """That every mask can be decoded."""
    objects: bool = False
    """It must have an object that is not a crowd."""
    trained: bool = True
    """Training learns from it; otherwise it is only scored."""


@dataclass(kw_only=True)
class Records:
    """The usable records of a COCO file; readers add them while they yield findings."""

    path: Path
    image_root: Path
    exif: Exif
    needs: Needs = Needs()
    content: dict[str, Any] = field(default_factory=dict)
    """The file's lists; empty if it cannot be read."""
    images: dict[FileId, int] = field(default_factory=dict)
    """Index of each image that has an id and a file name."""
    sizes: dict[FileId, tuple[int, int]] = field(default_factory=dict)
    """By the annotations, or by the file's header."""
    categories: dict[FileId, int] = field(default_factory=dict)
    """Index of each category that has an id."""
    objects: list[CheckedObject] = field(default_factory=list)

    def finding(
        self,
        kind: str,
        severity: Severity,
        record: str,
        error: DataError,
        *,
        fix: Fix | None = None,
        image: Path | None = None,
        box: Box | None = None,
    ) -> Finding:
        """Make a finding of this file; `error` has the rule and the way out."""
        return Finding(
            kind=kind,
            severity=severity,
            file=str(self.path),
            record=record,
            rule=error.rule,
            way_out=error.way_out,
            image=image,
            box=box,
            fix=fix,
        )

    def image_path(self, image: FileId) -> Path:
        """Return the file of the image with an id."""
        return self.image_root / image_file_name(self.content["images"][self.images[image]])

    def listed_images(self) -> list[ListedImage]:
        """Return the images that have an id and a file name."""
        return [
            ListedImage(
                record=f"image {image!r}",
                path=self.image_path(image),
                size=self.sizes.get(image),
                index=index,
            )
            for image, index in self.images.items()
        ]

    def category_name(self, category: FileId) -> str:
        """Return the name of the category with an id, as the reader reads it."""
        return _name(self.content["categories"][self.categories[category]])


def read_records(records: Records) -> Iterator[Finding]:
    """Read the file, its images and its categories; yield their defects.

    Annotations are not looked at yet.
    """
    repeated: list[RepeatedKey] = []
    try:
        records.content = read_json(records.path, partial(_object, repeated=repeated))
    except DataError as error:
        yield records.finding("unreadable annotations", "error", "the file", error)
        return
    for key, record in repeated:
        rule = f"a record must hold each key once, the key {key!r} occurs more than once"
        broken = DataError(rule, "remove all but one of them; training reads the last one")
        fix = Fix(remedy="rewrite")
        yield records.finding("repeated key", "warning", record, broken, fix=fix)
    for name in ("images", "categories"):
        if not records.content[name]:
            yield records.finding("empty list", "error", "the file", empty_list(name))
    yield from _read_images(records)
    yield from _read_categories(records)


def _object(pairs: list[tuple[str, Any]], repeated: list[RepeatedKey]) -> dict[str, Any]:
    """Make a JSON object, and note keys that occur twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        record = f"the record with id {values['id']!r}" if "id" in values else "a record without id"
        counts = Counter(key for key, _ in pairs)
        repeated.extend((key, record) for key, count in counts.items() if count > 1)
    return values


def _read_images(records: Records) -> Iterator[Finding]:
    files: dict[str, int] = {}
    for index, record in enumerate(records.content["images"]):
        drop = Fix(remedy="drop", records="images", index=index)
        if not _has_id(record):
            yield _without_id(records, record, "image", drop)
            continue
        value = record["id"]
        try:
            name = image_file_name(record)
        except DataError as error:
            yield records.finding("malformed record", "error", f"image {value!r}", error, fix=drop)
            continue
        first = files.setdefault(os.path.normpath(name), index)
        if value in records.images:
            yield from _duplicate_image_id(records, value, name, drop)
            continue
        records.images[value] = index
        if first != index:
            yield _duplicate_file_name(records, value, name, first)
        yield from _read_size(records, value, record)


def _has_id(record: Any) -> bool:
    return isinstance(record, Mapping) and file_id(record.get("id")) is not None


def _without_id(records: Records, record: Any, kind: str, drop: Fix) -> Finding:
    name = f"{kind} at place {drop.index}"
    return records.finding("malformed record", "error", name, missing_id(record, kind), fix=drop)


def _duplicate_image_id(records: Records, value: FileId, name: str, drop: Fix) -> Iterator[Finding]:
    """Find an image with the same id as an earlier one.

    Unless both have the same file, it is unknown to which of the two the objects belong, and the
    earlier one is a finding too.
    """
    kind = "duplicate image id"
    record = f"image {value!r}"
    path = records.image_root / name
    first = records.image_path(value)
    rule = f"image ids must be unique, {first.name} and {path.name} have this one"
    error = DataError(rule, "renumber one")
    yield records.finding(kind, "error", record, error, image=path, fix=drop)
    if first != path:
        error = DataError(rule, "renumber one and its objects, as it is unknown which they are")
        drop_first = Fix(remedy="drop", records="images", index=records.images[value])
        yield records.finding(kind, "error", record, error, image=first, fix=drop_first)


def _duplicate_file_name(records: Records, value: FileId, name: str, first: int) -> Finding:
    earlier = records.content["images"][first]["id"]
    error = shared_file(name, earlier)
    merge = Fix(remedy="merge", records="images", index=records.images[value], target=first)
    shown = records.image_path(value)
    record = f"image {value!r}"
    return records.finding("duplicate file name", "error", record, error, image=shown, fix=merge)


def _read_size(records: Records, value: FileId, record: Record) -> Iterator[Finding]:
    """Add an image's size; the check of image files reports a size that only the file has."""
    try:
        records.sizes[value] = annotated_size(record, records.image_root, records.exif)
    except DataError as error:
        if record.get("height") is not None and record.get("width") is not None:
            size = Fix(remedy="size", records="images", index=records.images[value])
            yield records.finding("malformed record", "error", f"image {value!r}", error, fix=size)


def _read_categories(records: Records) -> Iterator[Finding]:
    names: dict[str, int] = {}
    for index, record in enumerate(records.content["categories"]):
        drop = Fix(remedy="drop", records="categories", index=index)
        if not _has_id(record):
            yield _without_id(records, record, "category", drop)
            continue
        value = record["id"]
        entry = f"category {value!r}"
        name = _name(record)
        if value in records.categories:
            earlier_name = _name(records.content["categories"][records.categories[value]])
            rule = f"category ids must be unique, {earlier_name!r} and {name!r} have this one"
            error = DataError(rule, "renumber one")
            yield records.finding("duplicate category id", "error", entry, error, fix=drop)
            continue
        records.categories[value] = index
        try:
            category_name(record)
        except DataError as unreadable:
            yield _unreadable_name(records, entry, index, name, unreadable)
            continue
        yield from _check_name(records, entry, record, name)
        first = names.setdefault(name, index)
        if first != index:
            earlier = records.content["categories"][first]["id"]
            rule = f"category names must be unique, category {earlier!r} is called {name!r} too"
            error = DataError(rule, "rename one or merge the two, as training tells them apart")
            merge = Fix(remedy="merge", records="categories", index=index, target=first)
            yield records.finding("duplicate category name", "warning", entry, error, fix=merge)


def _name(record: Record) -> str:
    """Return the name of a category as it is in the file."""
    try:
        return category_name(record)
    except DataError:
        return str(record.get("name"))


def _unreadable_name(
    records: Records, entry: str, index: int, name: str, error: DataError
) -> Finding:
    """Find a name that training refuses; it is corrected if only its blanks are wrong."""
    plain = " ".join(name.split())
    fix = None
    if plain.isprintable() and plain:
        fix = Fix(remedy="rename", records="categories", index=index, target=plain)
    return records.finding("malformed record", "error", entry, error, fix=fix)


def _check_name(records: Records, entry: str, record: Record, name: str) -> Iterator[Finding]:
    given = record.get("name")
    if not isinstance(given, str) or not given.strip():
        rule = f"a category needs a name, got {given!r}"
        unnamed = DataError(rule, f"name it, as it is called {name!r} in training")
        yield records.finding("category without name", "warning", entry, unnamed)
    elif given != name:
        rule = f"a category name should have no blanks around it, got {given!r}"
        blanks = DataError(rule, f"take them away, as training does: it is {name!r}")
        index = records.categories[record["id"]]
        fix = Fix(remedy="rename", records="categories", index=index, target=name)
        yield records.finding("blanks in a name", "warning", entry, blanks, fix=fix)
