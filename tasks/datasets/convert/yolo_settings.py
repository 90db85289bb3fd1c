"""Read Ultralytics' data.yaml: the classes and the places of the splits."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import class_name
from tasks.datasets.text_files import read_text
from tasks.errors import few

_ABSENT = ("", "~", "null", "Null", "NULL")  # forms of an empty value in YAML


def find_settings(path: Path) -> Path:
    """Return the YAML file, also if its folder is given; UserError if there is not exactly one."""
    if not path.is_dir():
        return path
    files = sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
    if len(files) != 1:
        present = ", ".join(file.name for file in files) or "none"
        raise UserError(
            f"a YOLO folder must hold one YAML file, {path} holds {present}; give the file itself"
        )
    return files[0]


def read_settings(path: Path) -> Mapping[str, Any]:
    """Read the settings, with every value as its text: a class may be called no.

    Raises UserError for a file that is not a YAML file of settings.
    """
    text = read_text(path, "data.yaml")
    try:
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(
            f"data.yaml must be a YAML file, cannot read {path}: {error}; correct it"
        ) from error
    if not isinstance(content, Mapping):
        raise UserError(
            f"{path} must hold names and the splits' folders, got {type(content).__name__}"
        )
    return content


def class_names(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return the names of the classes in the order of their numbers; UserError for others."""
    names = content.get("names")
    if isinstance(names, Mapping):
        keys = [str(number) for number in range(len(names))]
        if set(keys) != names.keys():
            raise UserError(
                f"{path}: names must be numbered 0..{len(names) - 1}, got"
                f" {few([repr(name) for name in names])}; number them so"
            )
        names = [names[key] for key in keys]
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        raise UserError(
            f"{path}: names must be a list, or pairs of number and name, got {reprlib.repr(names)};"
            " correct it"
        )
    texts = tuple(class_name(name, str(path)) for name in names)
    if len(set(texts)) != len(texts):
        raise UserError(f"{path}: names must differ, got {few(texts)}; rename the second of each")
    count = content.get("nc", str(len(texts)))
    if count not in (str(len(texts)), f"{len(texts)}.0", *_ABSENT):
        raise UserError(
            f"{path}: nc must be the number of names, got nc {reprlib.repr(count)} and"
            f" {len(texts)} names; correct one of the two"
        )
    return texts


def count_key_points(content: Mapping[str, Any], path: Path) -> int:
    """Count the numbers of key points after each box: kpt_shape [4, 2] is four of x and y.

    Raises UserError for another kpt_shape.
    """
    shape = content.get("kpt_shape")
    if shape is None or shape in _ABSENT:
        return 0
    texts = shape if isinstance(shape, list) else []
    numbers = [int(text) for text in texts if str(text).isdecimal() and len(str(text)) < 6]
    if len(texts) != 2 or len(numbers) != 2 or numbers[1] not in (2, 3):
        raise UserError(
            f"{path}: kpt_shape must be the key points of a box and the 2 or 3 numbers of each,"
            f" as [17, 3], got {reprlib.repr(shape)}; correct it"
        )
    return numbers[0] * numbers[1]


def given(content: Mapping[str, Any], key: str) -> Any:
    """Return a setting's value; None where it is absent or empty."""
    value = content.get(key)
    return None if value in _ABSENT else value
