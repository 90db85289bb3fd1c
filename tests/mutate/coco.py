"""Mutations of a COCO document, by what people and tools get wrong.  Each changes one thing.

A mutation takes a document (the lists images, annotations and categories) and a random.Random, and
returns another document; the one that is given stays as it is.
"""

import copy
from collections.abc import Callable
from random import Random
from typing import Any

Content = dict[str, Any]
Mutation = Callable[[Content, Random], Content]

LISTS = ("images", "annotations", "categories")
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2.5,
    1e300,
    10**400,
    2**63,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x",
    "1",
    "\ud800",
    "\x00",
    "../..",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    [1, 2, 3],
    ["1", "2", "3", "4"],
    {"id": 1},
)
CROWDS: tuple[Any, ...] = (
    0,
    1,
    2,
    -1,
    None,
    True,
    False,
    "0",
    "1",
    "true",
    "false",
    "no",
    "0.0",
    0.0,
    1.0,
    0.5,
    [],
    {},
    float("nan"),
)
NAMES: tuple[Any, ...] = (
    "cat\r",
    "cat ",
    " cat",
    "Cat",
    "dog",
    "",
    " ",
    "\t",
    "a\nb",
    "a\x1bb",
    "\u200bcat",
    "nan",
    None,
    7,
    True,
    "<b>",
    "名前",
)
IDS: tuple[Any, ...] = (
    0,
    -5,
    1.0,
    11.0,
    1.5,
    "1",
    "11",
    "",
    True,
    None,
    2**31,
    2**63,
    2**70,
    10**400,
    1e300,
    float("nan"),
    [],
    "\ud800",
)
SIDES: tuple[Any, ...] = (
    0,
    -3,
    1,
    39,
    40.0,
    40.5,
    "40",
    None,
    True,
    1_000_000,
    1_000_001,
    48_000,
    10**400,
    float("nan"),
    [],
)
MASKS: tuple[Any, ...] = (
    None,
    [],
    [[]],
    "",
    {},
    [[2, 2, 12, 2, 12, 9]],
    [2, 2, 12, 2, 12, 9],
    [[2, 2, 12, 2]],
    [[2, 2, 12, 2, 12]],
    [["2", "2", "12", "2", "12", "9"]],
    [[float("nan"), 2, 12, 2, 12, 9]],
    [[-9, -9, 99, -9, 99, 99]],
    [[1e30] * 6],
    {"size": [30, 40], "counts": [10]},
    {"size": [30, 40], "counts": []},
    {"size": [30, 40], "counts": ""},
    {"size": [30, 40], "counts": "1"},
    {"size": [30, 40], "counts": "zz"},
    {"size": [30, 40], "counts": [154, 6, 1040]},
    {"size": [30, 40], "counts": [154, 6, 1041]},
    {"size": [30, 40], "counts": [154, -6, 1052]},
    {"size": [30, 40], "counts": [154.0, 6.0, 1040.0]},
    {"size": [40, 30], "counts": [1200]},
    {"size": [30.0, 40.0], "counts": [1200]},
    {"size": [1_000_000, 1_000_000], "counts": [10**12]},
    {"size": [30, 40], "counts": None},
    {"counts": [1200]},
)
BOXES: tuple[Any, ...] = (
    None,
    [],
    [2, 3, 0, 10],
    [2, 3, -5, 10],
    [2, 3, 20],
    [2, 3, 20, 10, 1],
    ["2", "3", "20", "10"],
    "2,3,20,10",
    [2.0, 3.0, 20.0, 10.0],
    [100, 100, 5, 5],
    [-4, -4, 60, 60],
    [1e12, 1, 1, 1],
    [2, 3, 20, float("nan")],
    [2, 3, float("inf"), 10],
    [[2, 3], [22, 13]],
    {"x": 2, "y": 3, "w": 20, "h": 10},
)


def _record(content: Content, chance: Random, name: str) -> dict[str, Any]:
    """A record of a list, which the caller may change."""
    records = [record for record in content[name] if isinstance(record, dict)]
    return chance.choice(records) if records else {}


def _set(content: Content, chance: Random, name: str, key: str, values: Any) -> Content:
    changed = copy.deepcopy(content)
    _record(changed, chance, name)[key] = copy.deepcopy(chance.choice(values))
    return changed


def drop_field(content: Content, chance: Random) -> Content:
    """Take a field away from a record."""
    changed = copy.deepcopy(content)
    record = _record(changed, chance, chance.choice(LISTS))
    if record:
        del record[chance.choice(sorted(record))]
    return changed


def replace_field(content: Content, chance: Random) -> Content:
    """Give a field of a record a value of any kind."""
    changed = copy.deepcopy(content)
    record = _record(changed, chance, chance.choice(LISTS))
    if record:
        record[chance.choice(sorted(record))] = copy.deepcopy(chance.choice(NASTY))
    return changed


def retype_field(content: Content, chance: Random) -> Content:
    """Write a field of all records of a list as a text or as a number with a point."""
    changed = copy.deepcopy(content)
    name, key = chance.choice(
        (
            ("images", "id"),
            ("images", "width"),
            ("annotations", "id"),
            ("annotations", "image_id"),
            ("annotations", "category_id"),
            ("annotations", "area"),
            ("annotations", "iscrowd"),
            ("categories", "id"),
        )
    )
    as_type = chance.choice((str, float))
    for record in changed[name]:
        if isinstance(record, dict) and type(record.get(key)) is int:
            record[key] = as_type(record[key])
    return changed


def odd_id(content: Content, chance: Random) -> Content:
    """Give one record another id, or one annotation another owner."""
    name, key = chance.choice(
        (
            ("images", "id"),
            ("annotations", "id"),
            ("categories", "id"),
            ("annotations", "image_id"),
            ("annotations", "category_id"),
        )
    )
    return _set(content, chance, name, key, IDS)


def odd_crowd(content: Content, chance: Random) -> Content:
    """Give an annotation another iscrowd."""
    return _set(content, chance, "annotations", "iscrowd", CROWDS)


def odd_name(content: Content, chance: Random) -> Content:
    """Give a category another name."""
    return _set(content, chance, "categories", "name", NAMES)


def odd_size(content: Content, chance: Random) -> Content:
    """Give an image another height or width."""
    return _set(content, chance, "images", chance.choice(("height", "width")), SIDES)


def odd_mask(content: Content, chance: Random) -> Content:
    """Give an annotation another segmentation."""
    return _set(content, chance, "annotations", "segmentation", MASKS)


def odd_box(content: Content, chance: Random) -> Content:
    """Give an annotation another box."""
    return _set(content, chance, "annotations", "bbox", BOXES)


def mask_alone(content: Content, chance: Random) -> Content:
    """Give an annotation a segmentation in place of its box and area."""
    changed = copy.deepcopy(content)
    record = _record(changed, chance, "annotations")
    record.pop("bbox", None)
    record.pop("area", None)
    record["segmentation"] = copy.deepcopy(chance.choice(MASKS))
    return changed


def _boxes(content: Content) -> list[list[float]]:
    """The boxes that are four numbers."""
    boxes: list[list[float]] = []
    for record in content["annotations"]:
        box = record.get("bbox") if isinstance(record, dict) else None
        if isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box):
            boxes.append(box)
    return boxes


def fractions(content: Content, chance: Random) -> Content:
    """Write all boxes as fractions of an image of 40x30 pixels."""
    changed = copy.deepcopy(content)
    for box in _boxes(changed):
        box[:] = [box[0] / 40, box[1] / 30, box[2] / 40, box[3] / 30]
    return changed


def corners(content: Content, chance: Random) -> Content:
    """Write all boxes as x1, y1, x2, y2."""
    changed = copy.deepcopy(content)
    for box in _boxes(changed):
        box[:] = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    return changed


def repeat_record(content: Content, chance: Random) -> Content:
    """List a record twice."""
    changed = copy.deepcopy(content)
    name = chance.choice(LISTS)
    if changed[name]:
        changed[name].append(copy.deepcopy(chance.choice(changed[name])))
    return changed


def drop_record(content: Content, chance: Random) -> Content:
    """Leave a record out, whatever refers to it."""
    changed = copy.deepcopy(content)
    name = chance.choice(LISTS)
    if changed[name]:
        changed[name].pop(chance.randrange(len(changed[name])))
    return changed


def replace_record(content: Content, chance: Random) -> Content:
    """Put a value of any kind into a list."""
    changed = copy.deepcopy(content)
    name = chance.choice(LISTS)
    changed[name].insert(0, copy.deepcopy(chance.choice(NASTY)))
    return changed


def empty_list(content: Content, chance: Random) -> Content:
    """Empty a list."""
    return copy.deepcopy(content) | {chance.choice(LISTS): []}


def crowds_only(content: Content, chance: Random) -> Content:
    """Mark every object as a crowd."""
    changed = copy.deepcopy(content)
    for record in changed["annotations"]:
        if isinstance(record, dict):
            record["iscrowd"] = 1
    return changed


def other_file(content: Content, chance: Random) -> Content:
    """Name another image file, which is there or not."""
    names = ("none.png", "", "12.png", "./11.png", "11.PNG", "11.png ", "sub/11.png", "a\x00b", 7)
    return _set(content, chance, "images", "file_name", names)


def other_top(content: Content, chance: Random) -> Content:
    """Replace or take away one of the document's lists."""
    changed = copy.deepcopy(content)
    name = chance.choice(LISTS)
    value = chance.choice((None, {}, "x", 3, [[]], [None]))
    return changed | {name: value}


def unchanged(content: Content, chance: Random) -> Content:
    """Leave all as it is."""
    return copy.deepcopy(content)


MUTATIONS: tuple[Mutation, ...] = (
    drop_field,
    replace_field,
    retype_field,
    odd_id,
    odd_crowd,
    odd_name,
    odd_size,
    odd_mask,
    odd_box,
    mask_alone,
    fractions,
    corners,
    repeat_record,
    drop_record,
    replace_record,
    empty_list,
    crowds_only,
    other_file,
    other_top,
    unchanged,
)


def mutate(content: Content, chance: Random) -> Content:
    """Apply one mutation, or two in a row where the first left the lists in place."""
    changed = chance.choice(MUTATIONS)(content, chance)
    lists = all(isinstance(changed[name], list) for name in LISTS)
    return chance.choice(MUTATIONS)(changed, chance) if lists and chance.random() < 0.4 else changed
