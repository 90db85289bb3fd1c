"""Read JSON files of annotations and results, with up to millions of numbers."""

import contextlib
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tasks.datasets.text_files import read_file
from tasks.errors import DataError

Record = Mapping[str, Any]  # an object of a file's lists
AsObject = Callable[[list[tuple[str, Any]]], Any]
LISTS = ("images", "annotations", "categories")


def parse_json(text: bytes, as_object: AsObject = dict) -> Any:
    """Parse a JSON text; `as_object` makes its objects.

    Raises ValueError for a text that is not JSON, or RecursionError if it nests too deep. msgspec
    is three times as fast as Python's parser. If msgspec refuses a text (NaN, a byte order mark,
    UTF-16), Python's parser reads it or raises its own error.
    """
    if as_object is not dict:
        return json.loads(text, object_pairs_hook=as_object)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text)


def read_json(path: Path, as_object: AsObject = dict) -> dict[str, Any]:
    """Read a file that has the lists of COCO's instances format; `as_object` makes its objects.

    Raises DataError naming a file that is missing, not JSON or of another format.
    """
    try:
        content = parse_json(read_file(path), as_object)
    except FileNotFoundError as error:
        rule = f"annotations must be a COCO JSON file, found no file at {path}"
        raise DataError(rule, "check the path") from error
    except (OSError, ValueError, RecursionError) as error:
        rule = f"annotations must be a COCO JSON file, cannot read {path}: {error}"
        raise DataError(rule, "export it again") from error
    if not isinstance(content, dict):
        raise _wrong_format(path, type(content).__name__)
    if not all(isinstance(content.get(name), list) for name in LISTS):
        raise _wrong_format(path, str(sorted(content)))
    return content


def _wrong_format(path: Path, content: str) -> DataError:
    rule = f"a COCO instances file holds the lists {', '.join(LISTS)}, {path} holds {content}"
    return DataError(rule, "check that it is the file of the instances")


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Pause Python's cycle collector; it would scan millions of new records repeatedly.

    That would take twice the time, and values read from JSON have no cycles.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
