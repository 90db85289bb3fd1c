"""Annotations of a COCO JSON as arrays: what is missing is derived from the masks, what cannot be
used is counted.

M objects in the order of their images; boxes are (x, y, width, height) in pixels.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError

Record = Mapping[str, Any]  # an object of the JSON file
Box = tuple[float, float, float, float]
FARTHEST = 1e7  # pixels from an image's corner; what lies beyond is a mistake, and its area would not be exact


@dataclass(frozen=True)
class CocoObjects:
    """All objects of a data set; row j of every array is object j."""

    images: NDArray[np.int64]  # (M,) position of the image, ascending
    boxes: NDArray[np.float64]  # (M, 4)
    labels: NDArray[np.int64]  # (M,)
    crowd: NDArray[np.bool_]  # (M,)
    areas: NDArray[np.float64]  # (M,)
    places: NDArray[np.int64]  # (M,) place of the annotation among the file's
    warnings: tuple[str, ...]


def parse_objects(
    records: Sequence[Record],
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
    sizes: NDArray[np.int32],
) -> CocoObjects:
    """Arrays of the annotations in `records`.

    `positions` gives the place of an image id in `sizes` (N, 2), `labels` the label of a category
    id, None for those to leave out. Raises UserError naming an annotation of an unknown image or
    category, or without box and mask.
    """
    notes = Notes()
    plain = plain_rows(records, positions, labels)
    others = (
        range(len(records)) if plain is None else np.flatnonzero(np.isnan(plain[:, 3])).tolist()
    )
    rows = [
        (*row, place)
        for place in others
        for row in object_row(records[place], positions, labels, sizes, notes)
    ]
    notes.count_repeated(record.get("id") for record in records)
    numbers = np.array(rows, dtype=np.float64).reshape(
        -1, 9
    )  # (M, 9): image, label, crowd, area, box, place
    if plain is not None:
        numbers = np.concatenate((plain[~np.isnan(plain[:, 3])], numbers))
    numbers = numbers[np.lexsort((numbers[:, 8], numbers[:, 0]))]
    return CocoObjects(
        images=numbers[:, 0].astype(np.int64),
        boxes=np.ascontiguousarray(numbers[:, 4:8]),
        labels=numbers[:, 1].astype(np.int64),
        crowd=numbers[:, 2] > 0,
        areas=numbers[:, 3].copy(),
        places=numbers[:, 8].astype(np.int64),
        warnings=notes.lines(),
    )


def plain_rows(
    records: Sequence[Record],
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
) -> NDArray[np.float64] | None:
    """The rows (M, 9) of annotations as COCO's own files have them, by columns; None where any is
    of another form.

    The area is nan in those that `object_row` has to judge: by box, area or category.
    """
    try:
        images, categories, boxes = zip(
            *map(itemgetter("image_id", "category_id", "bbox"), records), strict=True
        )
        places = [positions[image] for image in images]
        classes = [labels[category] for category in categories]
    except (
        KeyError,
        TypeError,
        ValueError,
    ):  # a field that is missing or not hashable, no record at all
        return None
    areas, crowds = (
        [record.get("area") for record in records],
        [record.get("iscrowd") for record in records],
    )
    numbers = list(chain.from_iterable(boxes)) if _kinds(boxes) <= {list} else [None]
    written = _kinds(images) | _kinds(categories) <= {int, str} and _kinds(crowds) <= {int, _NONE}
    numeric = _kinds(numbers) | _kinds(areas) <= {int, float}
    masks = all(_is_plain_mask(record.get("segmentation")) for record in records)
    if not (written and numeric and masks and set(map(len, boxes)) == {4}):
        return None
    try:
        box, area = np.array(numbers, np.float64).reshape(-1, 4), np.array(areas, np.float64)
    except OverflowError:
        return None
    label = np.array([np.nan if label is None else label for label in classes], np.float64)
    usable = (np.abs(box) <= FARTHEST).all(axis=1) & (box[:, 2:] > 0).all(axis=1) & ~np.isnan(label)
    area[~(usable & (area > 0) & (area <= FARTHEST**2))] = np.nan
    crowd = [bool(value) for value in crowds]
    return np.column_stack((places, label, crowd, area, box, np.arange(len(records))))


_NONE = type(None)


def _kinds(values: Sequence[object]) -> set[type]:
    """The types that occur, exactly: True is no int here."""
    return set(map(type, values))


def _is_plain_mask(mask: object) -> bool:
    """Whether `_mask` takes it for polygons or run lengths, or for none."""
    if isinstance(mask, list):
        return all(type(polygon) is list for polygon in mask)
    return mask is None or (type(mask) is dict and {"size", "counts"} <= mask.keys())


class Notes:
    """Counts what was mended or left out, with one example of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, object] = {}

    def add(self, what: str, example: object) -> None:
        """Count one more of a kind."""
        self.counts[what] += 1
        self.examples.setdefault(what, example)

    def count_repeated(self, ids: Iterator[Any]) -> None:
        """Count the ids that occur more than once."""
        for value, count in Counter(str(value) for value in ids if value is not None).items():
            if count > 1:
                self.add("annotation ids that occur more than once; all were renumbered", value)

    def lines(self) -> tuple[str, ...]:
        """Each kind in words."""
        return tuple(
            f"{count} {what} (first: {self.examples[what]})" for what, count in self.counts.items()
        )


def object_row(
    record: Record,
    positions: Mapping[Hashable, int],
    labels: Mapping[Hashable, int | None],
    sizes: NDArray[np.int32],
    notes: Notes,
) -> list[tuple[float, ...]]:
    """The annotation as one row (image, label, crowd, area, box), or nothing where it is left out,
    as `notes` says.

    Raises UserError where `parse_objects` does.
    """
    if not isinstance(record, Mapping):
        raise UserError(f"every annotation must be an object {{…}}, got {record!r}; remove it")
    name = f"annotation {record.get('id', '(without id)')!r} of image {record.get('image_id')!r}"
    image = _look_up(record, "image_id", positions, name)
    label = _look_up(record, "category_id", labels, name)
    if label is None:
        notes.add("annotations of categories that the label map lacks were left out", name)
        return []
    height, width = sizes[image].tolist()
    mask = _mask(record, name)
    box = _box(record.get("bbox"), mask, height, width, name)
    if not is_usable(box):
        notes.add(
            "boxes without a positive finite width and height were left out",
            f"{name}, bbox {list(box)}",
        )
        return []
    crowd = record.get("iscrowd") not in (None, 0, "0")
    return [(image, label, crowd, _area(record.get("area"), mask, box, height, width, name), *box)]


def is_usable(box: Box) -> bool:
    """Whether a box has a width and a height and lies where an image can be."""
    return all(abs(value) <= FARTHEST for value in box) and box[2] > 0 and box[3] > 0


def decode_mask(segmentation: Any, height: int, width: int, name: str) -> NDArray[np.bool_] | None:
    """Pixels (height, width) of polygons or run lengths, None where there are none; `name` tells
    errors whose.
    """
    mask = _mask({"segmentation": segmentation}, name)
    encoded = None if mask is None else _encoded(mask, height, width, name)
    if encoded is None:
        return None
    from pycocotools import mask as masks

    return np.asarray(masks.decode(encoded), dtype=np.bool_)


def _look_up(record: Record, key: str, known: Mapping[Hashable, Any], name: str) -> Any:
    value = record.get(key)
    if not isinstance(value, int | str) or value not in known:
        raise UserError(
            f"every {key} must be listed in the file's"
            f" {'images' if key == 'image_id' else 'categories'}, got {value!r} in {name}; add the"
            " entry or remove the annotation (the number 7 and the text '7' differ)"
        )
    return known[value]


def _mask(record: Record, name: str) -> Any:
    """The annotation's polygons of whole corners, or its run lengths of either kind; None where it
    has neither.
    """
    mask = record.get("segmentation") or None
    if isinstance(mask, list) and all(isinstance(polygon, list) for polygon in mask):
        return [polygon for polygon in mask if polygon and len(polygon) % 2 == 0] or None
    if mask is None or (isinstance(mask, Mapping) and {"size", "counts"} <= mask.keys()):
        return mask
    rule = "segmentation must be polygons [[x, y, x, y, …], …] or run lengths with size and counts"
    raise UserError(f"{rule}, got {str(mask)[:60]} in {name}; mend it or set it to null")


def _box(box: Any, mask: Any, height: int, width: int, name: str) -> Box:
    """The annotation's box, or the one around its mask."""
    if box:
        try:
            x, y, box_width, box_height = map(float, box if isinstance(box, list) else ())
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"bbox must be four numbers x, y, width, height, got {box!r} in {name}"
            ) from error
        return x, y, box_width, box_height
    if mask is None:
        raise UserError(
            f"an annotation needs bbox or segmentation, got neither in {name}; remove it or add one"
        )
    if isinstance(mask, list):
        return _polygon_box(_corners(mask, name))
    from pycocotools import mask as masks

    x, y, box_width, box_height = map(float, masks.toBbox(_encoded(mask, height, width, name)))
    return x, y, box_width, box_height


def _corners(polygons: list[list[Any]], name: str) -> list[NDArray[np.float64]]:
    """Every polygon's corners (n, 2); numbers that no image has would make the mask's code ask for
    endless memory.
    """
    try:
        corners = [np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
        finite = all(np.abs(polygon).max() <= FARTHEST for polygon in corners)
    except (TypeError, ValueError, OverflowError):
        finite = False
    if not finite:
        rule = f"a polygon must be numbers x, y, x, y, … of at most {FARTHEST:g} pixels"
        raise UserError(f"{rule}, got {str(polygons)[:60]} in {name}; mend it or set it to null")
    return corners


def _polygon_box(polygons: list[NDArray[np.float64]]) -> Box:
    """Extent of the polygons' corners; they are exact where a mask's pixels are not."""
    corners = np.concatenate(polygons)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, top, right - left, bottom - top


def _area(area: Any, mask: Any, box: Box, height: int, width: int, name: str) -> float:
    """The annotation's area where it is positive, else the mask's, else the box's."""
    if isinstance(area, int | float) and 0 < area <= FARTHEST**2:
        return float(area)
    if mask is not None and (encoded := _encoded(mask, height, width, name)) is not None:
        from pycocotools import mask as masks

        if (pixels := float(masks.area(encoded))) > 0:
            return pixels
    return box[2] * box[3]


def _encoded(mask: Any, height: int, width: int, name: str) -> Any:
    """Compressed run lengths of polygons or of either kind of RLE; None for polygons of fewer than
    three corners.
    """
    from pycocotools import mask as masks

    if isinstance(mask, list):
        polygons = [
            corners.ravel().tolist() for corners in _corners(mask, name) if len(corners) >= 3
        ]
        return masks.merge(masks.frPyObjects(polygons, height, width)) if polygons else None
    if mask["size"] != [height, width]:
        rule = f"run lengths must be of the image's height and width, {[height, width]}"
        raise UserError(
            f"{rule}, got {mask['size']} in {name}; mend them or give the annotation bbox and area"
        )
    try:
        encoded = (
            masks.frPyObjects(mask, height, width) if isinstance(mask["counts"], list) else mask
        )
        left, top, box_width, box_height = masks.toBbox(encoded).tolist()
        inside = (
            left + box_width <= width
            and top + box_height <= height
            and masks.area(encoded) <= height * width
        )
    except (TypeError, ValueError, OverflowError):
        inside = False
    if not inside:
        rule = (
            "run lengths must be whole numbers that sum up to the image's height times width, or"
            " the text of such"
        )
        raise UserError(
            f"{rule}, got {str(mask['counts'])[:60]} in {name}; mend them or set segmentation to"
            " null"
        )
    return encoded
