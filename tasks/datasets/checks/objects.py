"""What is wrong with the annotations of a COCO file, by the rules of the training reader.

Boxes are (x, y, width, height) in pixels, sizes (height, width).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.checks.records import CheckedObject, Records
from tasks.datasets.coco.objects import Box, Notes, Record, decode_mask, object_row

_TINY = 1.0  # pixels
_ROUNDING = 0.01  # pixels past the border that are no defect: files round to so many digits


def read_annotations(records: Records) -> None:
    """Add the annotations that training can use to `records`, and findings of what is wrong with
    these and others.
    """
    ids: Counter[str] = Counter()
    for index, record in enumerate(records.content.get("annotations", ())):
        if not isinstance(record, Mapping):
            seen = f"every annotation must be an object {{…}}, got {repr(record)[:80]}"
            place = ("annotations", index)
            records.add(
                "malformed record",
                "error",
                f"annotation at place {index}",
                seen,
                place=place,
                remedy="drop",
            )
            continue
        entry = f"annotation {record['id']!r}" if "id" in record else f"annotation at place {index}"
        _check_id(records, index, entry, record.get("id"), ids)
        found = (
            _read(records, index, entry, record)
            if _is_known(records, index, entry, record)
            else None
        )
        if found is not None:
            records.objects.append(found)
            _check_box(records, entry, found)
            _check_mask(records, entry, found, record)
    _find_repeated(records)
    _find_unused(records)


def _check_id(records: Records, index: int, entry: str, value: Any, ids: Counter[str]) -> None:
    place = ("annotations", index)
    if not isinstance(value, int | str):
        seen = (
            f"the id must be a whole number or a text, got {str(value)[:40]}; training numbers all"
            " anew"
        )
        records.add("annotation without id", "warning", entry, seen, place=place, remedy="renumber")
        return
    ids[str(value)] += 1
    if ids[str(value)] > 1:
        seen = (
            f"annotations with this id so far: {ids[str(value)]}; pycocotools keeps one of them"
            " only"
        )
        records.add("duplicate annotation id", "error", entry, seen, place=place, remedy="renumber")


def _is_known(records: Records, index: int, entry: str, record: Record) -> bool:
    """Whether the annotation's image and category are in the file."""
    known = True
    for key, kind, listed in (
        ("image_id", "image", records.images),
        ("category_id", "category", records.categories),
    ):
        value = record.get(key)
        if not isinstance(value, int | str) or value not in listed:
            seen = f"no {kind} has its {key} {value!r} (the number 7 and the text '7' differ)"
            records.add(
                f"unknown {kind}", "error", entry, seen, place=("annotations", index), remedy="drop"
            )
            known = False
    return known


def _read(records: Records, index: int, entry: str, record: Record) -> CheckedObject | None:
    """The annotation as the training reader has it, or None where that leaves it out or
    refuses it.
    """
    image, category = record["image_id"], record["category_id"]
    if image not in records.sizes:
        return None  # a defect of the image, which was noted
    wrong: dict[str, Any] = {
        "place": ("annotations", index),
        "remedy": "drop",
        "image": records.image_path(image),
    }
    notes = Notes()
    try:
        rows = object_row(
            record,
            {image: 0},
            {category: 0},
            np.array([records.sizes[image]], dtype=np.int32),
            notes,
        )
        if not rows:
            example = next(iter(notes.examples.values()))
            seen = f"a box needs a positive finite width and height; training leaves out {example}"
            records.add("degenerate box", "error", entry, seen, **wrong)
            return None
        if record.get("iscrowd") not in (None, 0, 1, "0", "1"):
            raise UserError(f"iscrowd must be 0 or 1, got {str(record['iscrowd'])[:40]}")
    except UserError as error:
        records.add("malformed record", "error", entry, str(error), **wrong)
        return None
    _, _, crowd, area, left, top, width, height = rows[0]
    return CheckedObject(index, image, category, bool(crowd), area, (left, top, width, height))


def _check_box(records: Records, entry: str, found: CheckedObject) -> None:
    (left, top, width, height), size = found.box, records.sizes[found.image]
    shown = _shown(left, top, width, height)
    more: dict[str, Any] = {
        "place": ("annotations", found.index),
        "image": records.image_path(found.image),
        "box": found.box,
    }
    inside = clipped(found.box, size)
    image = f"image {found.image!r} of {size[1]}x{size[0]} pixels (width x height)"
    past = max(-left, -top, left + width - size[1], top + height - size[0])
    if min(inside[2:]) <= 0:
        records.add(
            "box outside",
            "error",
            entry,
            f"bbox {shown} has no part in {image}",
            remedy="drop",
            **more,
        )
    elif past > _ROUNDING:
        seen = (
            f"bbox {shown} is up to {past:g} pixels past the border of {image}; training clips it"
        )
        records.add("box past the border", "warning", entry, seen, remedy="clip", **more)
    if min(width, height) < _TINY:
        records.add(
            "tiny box",
            "warning",
            entry,
            f"bbox {shown} is less than {_TINY:g} pixel wide or high",
            **more,
        )
    if found.crowd:
        seen = (
            f"bbox {shown} is a crowd: no target of training, and what is found in it counts"
            " neither way"
        )
        records.add("crowd", "warning", entry, seen, **more)


def _check_mask(records: Records, entry: str, found: CheckedObject, record: Record) -> None:
    """Masks are not read where bbox and area are given, but for copy-paste, which would stop at a
    bad one.
    """
    try:
        decode_mask(record.get("segmentation"), *records.sizes[found.image], entry)
    except UserError as error:
        place, shown = ("annotations", found.index), records.image_path(found.image)
        records.add(
            "bad mask",
            "error",
            entry,
            str(error),
            place=place,
            remedy="unmask",
            image=shown,
            box=found.box,
        )


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box that is inside an image; without it, sides are 0 or less."""
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    return left, top, min(box[0] + box[2], size[1]) - left, min(box[1] + box[3], size[0]) - top


def _shown(*values: float) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


def _find_repeated(records: Records) -> None:
    """Annotations of the same image, category and box as an earlier one."""
    first: dict[object, int] = {}
    for found in records.objects:
        earlier = first.setdefault((found.image, found.category, found.box), found.index)
        if earlier == found.index:
            continue
        entries = [
            records.content["annotations"][index].get("id") for index in (found.index, earlier)
        ]
        seen = f"has image, category and bbox {_shown(*found.box)} of annotation {entries[1]!r}"
        more: dict[str, Any] = {
            "place": ("annotations", found.index),
            "remedy": "drop",
            "box": found.box,
        }
        shown = records.image_path(found.image)
        records.add(
            "duplicate box", "warning", f"annotation {entries[0]!r}", seen, image=shown, **more
        )


def _find_unused(records: Records) -> None:
    """Categories and images without any object."""
    categories = {found.category for found in records.objects}
    for category, index in records.categories.items():
        if category not in categories:
            seen = (
                f"{records.category_name(category)!r} has no object; it gets an output that never"
                " learns"
            )
            place = ("categories", index)
            records.add("unused category", "warning", f"category {category!r}", seen, place=place)
    images = {found.image for found in records.objects}
    for image, index in records.images.items():
        if image not in images:
            path = records.image_path(image)
            seen = f"{path.name} has no object; training leaves it out unless data.keep_empty=true"
            records.add(
                "image without objects",
                "warning",
                f"image {image!r}",
                seen,
                place=("images", index),
            )
