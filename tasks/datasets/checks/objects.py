"""Find defects in the annotations of a COCO file, by the rules of the training reader.

Boxes are (x, y, width, height) in pixels, sizes (height, width).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tasks.boxes import Box, finite_box
from tasks.datasets.checks.records import CheckedObject, Records
from tasks.datasets.coco.ids import file_id, other_spelling
from tasks.datasets.coco.json_file import Record
from tasks.datasets.coco.masks import check_mask
from tasks.datasets.coco.objects import SCORED_DETECTIONS, object_row
from tasks.datasets.coco.units import find_units, units_error
from tasks.datasets.findings import Finding, Fix, Severity
from tasks.datasets.notes import Notes
from tasks.errors import DataError
from tasks.labels import FileId

UNITS = "units"
"""The remedy for boxes in other units; all other remedies are for boxes in pixels."""
PLACES = ("box outside", "box past the border")
"""Kinds of findings about a box in its image."""
_TINY = 1.0  # pixels
_ROUNDING = 0.01  # pixels past the border that are accepted: files round their numbers


def read_objects(records: Records) -> Iterator[Finding]:
    """Add the annotations that training can use to `records`; yield the defects of all."""
    ids: Counter[str] = Counter()
    for index, record in enumerate(records.content.get("annotations", ())):
        drop = Fix(remedy="drop", records="annotations", index=index)
        name = f"annotation at place {index}"
        if not isinstance(record, Mapping):
            rule = f"every annotation must be an object {{…}}, got {repr(record)[:80]}"
            error = DataError(rule, "remove it")
            yield records.finding("malformed record", "error", name, error, fix=drop)
            continue
        if "id" in record:
            name = f"annotation {record['id']!r}"
        yield from _check_id(records, name, record.get("id"), ids)
        unknown = list(_check_owners(records, name, record, drop))
        yield from unknown
        if not unknown and file_id(record["image_id"]) in records.sizes:
            yield from _read_object(records, name, record, drop)
    yield from _find_units(records)
    yield from _find_repeated(records)
    yield from _find_crowded(records)
    yield from _find_unused(records)


def _check_id(records: Records, name: str, value: Any, ids: Counter[str]) -> Iterator[Finding]:
    renumber = Fix(remedy="renumber")
    if file_id(value) is None:
        rule = f"the id must be a whole number or a text, got {str(value)[:40]}"
        error = DataError(rule, "number it (training numbers all annotations again)")
        yield records.finding("annotation without id", "warning", name, error, fix=renumber)
        return
    ids[str(value)] += 1
    if ids[str(value)] > 1:
        rule = f"annotation ids must be unique, annotations with this id so far: {ids[str(value)]}"
        error = DataError(rule, "renumber them, as training does; pycocotools keeps one of them")
        yield records.finding("duplicate annotation id", "warning", name, error, fix=renumber)


def _check_owners(records: Records, name: str, record: Record, drop: Fix) -> Iterator[Finding]:
    """Find that the file does not list the annotation's image or category."""
    owners = (
        ("image_id", "image", "images", records.images),
        ("category_id", "category", "categories", records.categories),
    )
    for key, kind, listed, known in owners:
        value = record.get(key)
        if file_id(value) not in known:
            rule = (
                f"every {key} must be listed in the file's {listed}, got {key} {value!r} (the"
                " number 7 and the text '7' differ)"
            )
            error = DataError(rule, "add the entry or remove the annotation")
            spelling = other_spelling(value, known)
            fix = drop
            if spelling is not None:
                target = {key: spelling}
                fix = Fix(remedy="set", records="annotations", index=drop.index, target=target)
            yield records.finding(f"unknown {kind}", "error", name, error, fix=fix)


def _read_object(records: Records, name: str, record: Record, drop: Fix) -> Iterator[Finding]:
    """Add an annotation as the training reader reads it, unless it leaves it out or refuses it."""
    image = file_id(record["image_id"])
    category = file_id(record["category_id"])
    assert image is not None, "it was found in the list"
    assert category is not None, "it was found in the list"
    size = np.array([records.sizes[image]], dtype=np.int32)
    notes = Notes()
    try:
        row = object_row(record, {image: 0}, {category: 0}, size, notes)
    except DataError as error:
        path = records.image_path(image)
        fix = _as_said(record, drop)
        yield records.finding("malformed record", "error", name, error, fix=fix, image=path)
        return
    if row is None:
        example = next(iter(notes.examples.values()))
        rule = f"a box needs a positive finite width and height, training leaves out {example}"
        empty = DataError(rule, "correct it or remove the annotation")
        path = records.image_path(image)
        drawn = finite_box(record.get("bbox"))
        kind = "degenerate box"
        yield records.finding(kind, "warning", name, empty, fix=drop, image=path, box=drawn)
        return
    _, _, crowd, area, left, top, width, height = row
    box = (left, top, width, height)
    annotation = CheckedObject(drop.index, image, category, bool(crowd), area, box)
    records.objects.append(annotation)
    yield from _check_box(records, name, annotation)
    yield from _check_mask(records, name, annotation, record)


_SAID = {"true": 1, "yes": 1, "1.0": 1, "false": 0, "no": 0, "0.0": 0, "": 0}


def _as_said(record: Record, drop: Fix) -> Fix:
    """Choose the fix of a refused record: a crowd is read by its word, others are dropped."""
    crowd = record.get("iscrowd")
    said = _SAID.get(crowd.strip().lower()) if isinstance(crowd, str) else None
    if said is None:
        return drop
    return Fix(remedy="set", records="annotations", index=drop.index, target={"iscrowd": said})


def _check_box(records: Records, name: str, annotation: CheckedObject) -> Iterator[Finding]:
    yield from _check_place(records, name, annotation)
    if min(annotation.box[2:]) < _TINY:
        rule = f"bbox {_shown(annotation.box)} is less than {_TINY:g} pixel wide or high"
        error = DataError(rule, "check that an object is there")
        yield _of_box(records, "tiny box", "warning", name, annotation, error)
    if annotation.crowd:
        rule = (
            f"bbox {_shown(annotation.box)} is a crowd: it is ignored in training, and so are"
            " detections in it when scoring"
        )
        error = DataError(rule, "set iscrowd to 0 if it is a single object")
        yield _of_box(records, "crowd", "warning", name, annotation, error)


def _check_place(records: Records, name: str, annotation: CheckedObject) -> Iterator[Finding]:
    """Find a box that is outside its image, or partly outside."""
    height, width = records.sizes[annotation.image]
    left, top, box_width, box_height = annotation.box
    past = max(-left, -top, left + box_width - width, top + box_height - height)
    inside = clipped(annotation.box, (height, width))
    is_outside = min(inside[2:]) <= 0
    if not is_outside and past <= _ROUNDING:
        return
    shown = _shown(annotation.box)
    image = f"image {annotation.image!r} of {width}x{height} pixels (width x height)"
    if is_outside:
        rule = f"a box should be in its image, bbox {shown} is outside {image}"
        error = DataError(rule, "correct it or remove the annotation, as training leaves it out")
        drop = Fix(remedy="drop", records="annotations", index=annotation.index)
        yield _of_box(records, "box outside", "warning", name, annotation, error, drop)
    else:
        rule = (
            f"a box should end inside its image, bbox {shown} is up to {past:g} pixels past the"
            f" border of {image}"
        )
        error = DataError(rule, "clip it, as training does")
        clip = Fix(remedy="clip", records="annotations", index=annotation.index, target=inside)
        yield _of_box(records, "box past the border", "warning", name, annotation, error, clip)


def _of_box(
    records: Records,
    kind: str,
    severity: Severity,
    name: str,
    annotation: CheckedObject,
    error: DataError,
    fix: Fix | None = None,
) -> Finding:
    """A finding that is shown as a box in its image."""
    path = records.image_path(annotation.image)
    return records.finding(kind, severity, name, error, fix=fix, image=path, box=annotation.box)


def _check_mask(
    records: Records, name: str, annotation: CheckedObject, record: Record
) -> Iterator[Finding]:
    """Find a bad mask; if bbox and area are given, only copy-paste and segmentation need it."""
    height, width = records.sizes[annotation.image]
    try:
        check_mask(record, height, width, name)
    except DataError as error:
        unmask = Fix(remedy="unmask", records="annotations", index=annotation.index)
        severity: Severity = "error" if records.needs.masks else "warning"
        yield _of_box(records, "bad mask", severity, name, annotation, error, unmask)


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that is inside an image; if there is none, sides are <= 0."""
    left = max(box[0], 0.0)
    top = max(box[1], 0.0)
    right = min(box[0] + box[2], size[1])
    bottom = min(box[1] + box[3], size[0])
    return left, top, right - left, bottom - top


def _shown(box: Box) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in box) + "]"


def _find_units(records: Records) -> Iterator[Finding]:
    """Find that all boxes are in units other than pixels."""
    boxes = np.array([annotation.box for annotation in records.objects]).reshape(-1, 4)
    rows = [records.sizes[annotation.image] for annotation in records.objects]
    sizes = np.array(rows, dtype=np.int32).reshape(-1, 2)
    units = find_units(boxes, sizes)
    if units == "pixels":
        return
    error = units_error(units, len(boxes))
    yield records.finding("other units", "error", "the file", error, fix=Fix(remedy=UNITS))


def _find_repeated(records: Records) -> Iterator[Finding]:
    """Find annotations with the same image, category and box as an earlier one."""
    first: dict[object, int] = {}
    for annotation in records.objects:
        drawn = (annotation.image, annotation.category, annotation.box)
        earlier = first.setdefault(drawn, annotation.index)
        if earlier == annotation.index:
            continue
        annotations = records.content["annotations"]
        name = f"annotation {annotations[annotation.index].get('id')!r}"
        earlier_id = annotations[earlier].get("id")
        rule = (
            f"an object should be annotated once, image, category and bbox {_shown(annotation.box)}"
            f" are those of annotation {earlier_id!r}"
        )
        error = DataError(rule, "remove one of the two")
        drop = Fix(remedy="drop", records="annotations", index=annotation.index)
        yield _of_box(records, "duplicate box", "warning", name, annotation, error, drop)


def _find_crowded(records: Records) -> Iterator[Finding]:
    """Find images with more objects of a category than COCO scores detections."""
    counts: dict[tuple[FileId, FileId], int] = {}
    for annotation in records.objects:
        if annotation.crowd:
            continue
        pair = (annotation.image, annotation.category)
        counts[pair] = counts.get(pair, 0) + 1
    for (image, category), count in counts.items():
        if count > SCORED_DETECTIONS:
            name = records.category_name(category)
            rule = (
                f"COCO scores {SCORED_DETECTIONS} detections of a category and image,"
                f" {records.image_path(image).name} has {count} objects of {name!r}"
            )
            way_out = "cut such images into parts, or expect a recall and an AP below 100"
            error = DataError(rule, way_out)
            yield records.finding("crowded image", "warning", f"image {image!r}", error)


def _find_unused(records: Records) -> Iterator[Finding]:
    """Find categories and images without any object."""
    categories = {annotation.category for annotation in records.objects}
    for category in records.categories:
        if records.needs.trained and category not in categories:
            rule = f"a category should have objects, {records.category_name(category)!r} has none"
            way_out = (
                "remove it, as without objects in the training split its output is never trained"
            )
            error = DataError(rule, way_out)
            yield records.finding("unused category", "warning", f"category {category!r}", error)
    images = {annotation.image for annotation in records.objects}
    way_out = "annotate it, as every detection in it counts as wrong"
    if records.needs.trained:
        way_out = "annotate it, as training leaves it out unless data.keep_empty=true"
    for image in records.images:
        if image not in images:
            rule = f"an image should have objects, {records.image_path(image).name} has none"
            error = DataError(rule, way_out)
            yield records.finding("image without objects", "warning", f"image {image!r}", error)
