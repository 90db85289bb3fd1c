"""Read lists of classes from files, and find the list that a setting names."""

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.built_in import BUILT_IN
from tasks.datasets.semantic.classes import ClassList, MaskClass
from tasks.datasets.text_files import read_text
from tasks.labels import Colour

USUAL = ("classes.txt", "classes.yaml", "classes.json", "labelmap.txt")
"""Files that are used if no list is set."""
FORMS = (
    "one name a line, the first for value 0, in classes.txt; or in classes.yaml a list of entries"
    " {name: road, value: 3, colour: [128, 64, 128]}"
)
_KEYS = {"name", "value", "colour"}
_CVAT_LINE = re.compile(r"(?P<name>[^:]+):(?P<colour>\d{1,3},\d{1,3},\d{1,3})?:[^:]*:[^:]*")


def find_classes(classes: str | None, root: Path) -> ClassList:
    """Read the list that a setting names, built in or a file; without one, the file in the root.

    If there is none, raises UserError that says how to write one.
    """
    if classes is None:
        present = [root / name for name in USUAL if (root / name).is_file()]
        if not present:
            raise UserError(
                f"masks need a list of their classes, {root} holds none of {', '.join(USUAL)}; set"
                f" data.classes to one of {', '.join(BUILT_IN)}, or write one: {FORMS}"
            )
        return read_class_file(present[0])
    if classes in BUILT_IN:
        return BUILT_IN[classes]
    path = Path(classes)
    if not path.is_file():
        raise UserError(
            f"data.classes must be one of {', '.join(BUILT_IN)}, or a file, got {classes!r}; write"
            f" {FORMS}"
        )
    return read_class_file(path)


def read_class_file(path: Path) -> ClassList:
    """Read a .txt, .yaml or .json list, or CVAT's labelmap.txt.

    Raises UserError naming file and line, or entry.
    """
    text = read_text(path, "a list of classes")
    if path.suffix == ".txt":
        read = _read_labelmap if path.name == "labelmap.txt" else _read_names
        entries = read(path, text)
    else:
        entries = _read_entries(path, text)
    if not entries:
        raise UserError(f"{path}: a list of classes must hold one, got none; write {FORMS}")
    return ClassList(str(path), tuple(entries))


def _read_names(path: Path, text: str) -> list[MaskClass]:
    """Names, one per line; the value is the number of the line, from 0."""
    entries: list[MaskClass] = []
    for value, line in enumerate(text.rstrip().splitlines()):
        if not line.strip():
            raise UserError(
                f"{path}:{value + 1}: every line is the class of a value, {value} here, got an"
                " empty one; name it, and set data.ignore if it is not a class"
            )
        entries.append(MaskClass(line.strip(), value))
    return entries


def _read_labelmap(path: Path, text: str) -> list[MaskClass]:
    """Lines `name:r,g,b:parts:actions` as CVAT writes them, in the order of their values."""
    entries: list[MaskClass] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _CVAT_LINE.fullmatch(line.strip())
        if match is None:
            raise UserError(
                f"{path}:{number}: a line must be name:red,green,blue::, got {line!r}; correct it"
            )
        numbers = match["colour"] and [int(part) for part in match["colour"].split(",")]
        colour = _colour(numbers, f"{path}:{number}")
        entries.append(MaskClass(match["name"], len(entries), colour))
    return entries


def _read_entries(path: Path, text: str) -> list[MaskClass]:
    """Entries of a list of names, or of {name, value, colour}; in YAML all values are texts."""
    is_json = path.suffix == ".json"
    try:
        content = json.loads(text) if is_json else yaml.load(text, Loader=yaml.BaseLoader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: must be a YAML or JSON list, got: {error}; correct it") from error
    if not isinstance(content, Sequence) or isinstance(content, str):
        kind = type(content).__name__
        raise UserError(f"{path}: must be a list of classes, got {kind}; write {FORMS}")
    return [_entry(item, place, f"{path}, entry {place}") for place, item in enumerate(content)]


def _entry(item: Any, place: int, where: str) -> MaskClass:
    """Make a class from a name, whose value is its place, or from an entry with more fields."""
    if not isinstance(item, Mapping):
        item = {"name": item}
    name = item.get("name")
    value = _number(item.get("value", place))
    known = set(item) <= _KEYS
    if not known or not isinstance(name, str) or not name or type(value) is not int:
        raise UserError(
            f"{where}: a class must be a name, or have name (a text), value (a whole number) and"
            f" colour, got {reprlib.repr(item)}; correct it"
        )
    colour = item.get("colour")
    numbers = [_number(part) for part in colour] if isinstance(colour, list) else colour
    return MaskClass(name, value, _colour(numbers, where))


def _number(value: Any) -> Any:
    """Convert a text of YAML to a whole number; other values stay."""
    if not isinstance(value, str) or len(value) > 9:
        return value
    digits = value.removeprefix("-")
    return int(value) if digits.isascii() and digits.isdecimal() else value


def _colour(numbers: Any, where: str) -> Colour | None:
    """Convert three numbers to a colour; None stays."""
    if numbers in (None, [], "", "null", "~"):
        return None
    is_colour = isinstance(numbers, list) and len(numbers) == 3
    if not is_colour or not all(type(number) is int and 0 <= number <= 255 for number in numbers):
        raise UserError(
            f"{where}: a colour must be red, green and blue in 0..255, got"
            f" {reprlib.repr(numbers)}; correct it"
        )
    return numbers[0], numbers[1], numbers[2]
