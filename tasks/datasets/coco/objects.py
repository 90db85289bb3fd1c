"""Read annotations of a COCO JSON as arrays.

Missing boxes and areas are derived from the masks; unusable annotations are counted.  M objects in
the order of their images; boxes are (x, y, width, height) in pixels.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.boxes import Box
from tasks.datasets.coco.ids import file_id
from tasks.datasets.coco.json_file import Record
from tasks.datasets.coco.masks import FARTHEST, encode, mask_area, mask_box, read_mask
from tasks.datasets.coco.units import find_units, units_error
from tasks.datasets.notes import Notes
from tasks.errors import DataError

ObjectRow = tuple[float, ...]  # image, label, crowd, area, x, y, width, height
_AREA = 3  # columns of a row, which ends with the annotation's index
_INDEX = 8

SCORED_DETECTIONS = 100
"""Detections of a category and image that COCO's rule scores; further ones do not count."""


@dataclass(frozen=True)
class CocoObjects:
    """All objects of a data set; row j of every array is object j."""

    images: NDArray[np.int64]  # (M,) index of the image, ascending
    boxes: NDArray[np.float64]  # (M, 4)
    labels: NDArray[np.int64]  # (M,)
    crowd: NDArray[np.bool_]  # (M,)
    areas: NDArray[np.float64]  # (M,)
    places: NDArray[np.int64]  # (M,) index of the annotation in the file
    warnings: tuple[str, ...]


def parse_objects(
    records: Sequence[Record],
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
    sizes: NDArray[np.int32],
) -> CocoObjects:
    """Parse the annotations of a file into arrays.

    `positions` gives the index of an image id in `sizes` (N, 2), `labels` the label of a category
    id, or None to leave it out. Raises DataError naming an annotation of an unknown image or
    category, or without box and mask, and for boxes in units other than pixels.
    """
    notes = Notes()
    columns = plain_rows(records, positions, labels)
    if columns is None:
        plain = np.zeros((0, _INDEX + 1))
        others = list(range(len(records)))
    else:
        needs_a_look = np.isnan(columns[:, _AREA])
        plain = columns[~needs_a_look]
        others = np.flatnonzero(needs_a_look).tolist()
    rows = []
    for index in others:
        row = object_row(records[index], positions, labels, sizes, notes)
        if row is not None:
            rows.append((*row, index))
    _note_repeated_ids(records, notes)
    looked_at = np.array(rows, dtype=np.float64).reshape(-1, _INDEX + 1)
    numbers = np.concatenate((plain, looked_at))  # (M, 9)
    numbers = numbers[np.lexsort((numbers[:, _INDEX], numbers[:, 0]))]
    owners = sizes[numbers[:, 0].astype(np.int64)]  # (M, 2)
    units = find_units(numbers[:, 4:8], owners)
    if units != "pixels":
        raise units_error(units, len(numbers))
    numbers = numbers[_is_inside(numbers, owners, records, notes)]
    return CocoObjects(
        images=numbers[:, 0].astype(np.int64),
        boxes=np.ascontiguousarray(numbers[:, 4:8]),
        labels=numbers[:, 1].astype(np.int64),
        crowd=numbers[:, 2] > 0,
        areas=numbers[:, _AREA].copy(),
        places=numbers[:, _INDEX].astype(np.int64),
        warnings=notes.lines(),
    )


def _is_inside(
    numbers: NDArray[np.float64],
    sizes: NDArray[np.int32],
    records: Sequence[Record],
    notes: Notes,
) -> NDArray[np.bool_]:
    """Mark the objects (M, 9) that overlap their image of `sizes` (M, 2); note the others."""
    starts = numbers[:, 4:6]
    ends = starts + numbers[:, 6:8]
    inside: NDArray[np.bool_] = np.all((ends > 0) & (starts < sizes[:, ::-1]), axis=1)
    for index in numbers[~inside, _INDEX].astype(np.int64).tolist():
        notes.add("boxes outside their image were left out", _name(records[index]))
    return inside


def _name(record: Record) -> str:
    """Name an annotation in messages."""
    return f"annotation {record.get('id', '(without id)')!r} of image {record.get('image_id')!r}"


def plain_rows(
    records: Sequence[Record],
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
) -> NDArray[np.float64] | None:
    """Read annotations by columns as rows (M, 9), if all have the form of COCO's own files.

    None if any has another form. The area is nan for those that `object_row` has to judge by box,
    area or category.
    """
    fields = itemgetter("image_id", "category_id", "bbox")
    try:
        images, categories, boxes = zip(*map(fields, records), strict=True)
        indices = [positions[image] for image in images]
        classes = [labels[category] for category in categories]
    except (KeyError, TypeError, ValueError):  # a field is missing or a list, or it is not a record
        return None
    areas = [record.get("area") for record in records]
    crowds = [record.get("iscrowd") for record in records]
    if not _kinds(images) | _kinds(categories) <= {int, str} or not _kinds(crowds) <= {int, _NONE}:
        return None
    if not _kinds(boxes) <= {list} or set(map(len, boxes)) != {4}:
        return None
    numbers = list(chain.from_iterable(boxes))
    if not _kinds(numbers) | _kinds(areas) <= {int, float}:
        return None
    if not all(_is_plain_mask(record.get("segmentation")) for record in records):
        return None
    try:
        box = np.array(numbers, np.float64).reshape(-1, 4)
        area = np.array(areas, np.float64)
    except OverflowError:
        return None
    label = np.array([np.nan if label is None else label for label in classes], np.float64)
    near = (np.abs(box) <= FARTHEST).all(axis=1)
    extended = (box[:, 2:] > 0).all(axis=1)
    measured = (area > 0) & (area <= FARTHEST**2)
    area[~(near & extended & measured & ~np.isnan(label))] = np.nan
    if not set(crowds) <= {0, 1, None}:
        return None
    crowd = [bool(value) for value in crowds]
    return np.column_stack((indices, label, crowd, area, box, np.arange(len(records))))


_NONE = type(None)


def _kinds(values: Sequence[object]) -> set[type]:
    """Return the exact types that occur: True is not an int here."""
    return set(map(type, values))


def _is_plain_mask(mask: object) -> bool:
    """Whether `read_mask` takes it as polygons, as run lengths or as no mask."""
    if isinstance(mask, list):
        return all(type(polygon) is list for polygon in mask)
    return mask is None or (type(mask) is dict and {"size", "counts"} <= mask.keys())


def _note_repeated_ids(records: Sequence[Record], notes: Notes) -> None:
    """Note the annotation ids that occur more than once."""
    ids = [record.get("id") for record in records]
    counts = Counter(str(value) for value in ids if value is not None)
    for value, count in counts.items():
        if count > 1:
            notes.add("annotation ids that occur more than once; all were renumbered", value)


def object_row(
    record: Record,
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
    sizes: NDArray[np.int32],
    notes: Notes,
) -> ObjectRow | None:
    """Read one annotation as (image, label, crowd, area, x, y, width, height).

    None, and a note, if it is left out. Raises DataError as `parse_objects` does.
    """
    if not isinstance(record, Mapping):
        raise DataError(f"every annotation must be an object {{…}}, got {record!r}", "remove it")
    name = _name(record)
    image = _look_up(record, "image_id", positions, name)
    label = _look_up(record, "category_id", labels, name)
    if label is None:
        notes.add("annotations of categories that the label map lacks were left out", name)
        return None
    height, width = sizes[image].tolist()
    mask = read_mask(record, name)
    box = _read_box(record.get("bbox"), mask, height, width, name)
    if not is_usable(box):
        kind = "boxes without a positive finite width and height were left out"
        notes.add(kind, f"{name}, bbox {list(box)}")
        return None
    crowd = _read_crowd(record.get("iscrowd"), name)
    area = _read_area(record.get("area"), mask, box, height, width, name)
    return (image, label, crowd, area, *box)


def _read_crowd(value: Any, name: str) -> bool:
    """Whether an annotation is a crowd; DataError for an unclear mark."""
    if not isinstance(value, str | int | float | None) or value not in (None, 0, 1, "0", "1"):
        rule = f"iscrowd must be 0 or 1, got {repr(value)[:40]}"
        raise DataError(rule, "correct it or remove the annotation", name)
    return value in (1, "1")


def is_usable(box: Box) -> bool:
    """Whether a box has a width and a height and lies where an image can be."""
    return all(abs(value) <= FARTHEST for value in box) and box[2] > 0 and box[3] > 0


def decode_mask(segmentation: Any, height: int, width: int, name: str) -> NDArray[np.bool_] | None:
    """Decode polygons or run lengths to pixels (height, width); None if there are none.

    Raises DataError with the annotation's `name` for anything else.
    """
    mask = read_mask({"segmentation": segmentation}, name)
    encoded = None if mask is None else encode(mask, height, width, name)
    if encoded is None:
        return None
    from pycocotools import mask as masks

    return np.asarray(masks.decode(encoded), dtype=np.bool_)


def _look_up(record: Record, key: str, known: Mapping[Hashable, Any], name: str) -> Any:
    """Look up the annotation's image or category; DataError if it is unknown."""
    value = file_id(record.get(key))
    if value is None or value not in known:
        listed = "images" if key == "image_id" else "categories"
        rule = f"every {key} must be listed in the file's {listed}, got {record.get(key)!r}"
        way_out = "add the entry or remove the annotation (the number 7 and the text '7' differ)"
        raise DataError(rule, way_out, name)
    return known[value]


def _read_box(box: Any, mask: Any, height: int, width: int, name: str) -> Box:
    """Return the annotation's box, or the box around its mask."""
    if box:
        try:
            x, y, box_width, box_height = map(float, box if isinstance(box, list) else ())
        except (TypeError, ValueError, OverflowError) as error:
            rule = f"bbox must be four numbers x, y, width, height, got {box!r}"
            raise DataError(rule, "correct it or remove the annotation", name) from error
        return x, y, box_width, box_height
    if mask is None:
        rule = "an annotation needs bbox or segmentation, got neither"
        raise DataError(rule, "add one or remove the annotation", name)
    return mask_box(mask, height, width, name)


def _read_area(area: Any, mask: Any, box: Box, height: int, width: int, name: str) -> float:
    """Return the annotation's area if it is positive, otherwise that of the mask or the box."""
    if isinstance(area, int | float) and 0 < area <= FARTHEST**2:
        return float(area)
    pixels = 0.0 if mask is None else mask_area(mask, height, width, name)
    return pixels if pixels > 0 else box[2] * box[3]
