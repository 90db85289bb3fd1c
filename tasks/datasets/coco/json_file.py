"""JSON files of annotations and results, which can hold millions of numbers."""

import contextlib
import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from resnet_backbones.errors import UserError

AsObject = Callable[[list[tuple[str, Any]]], Any]


def parse_json(text: bytes, as_object: AsObject = dict) -> Any:
    """What a JSON text says; `as_object` makes its objects. UserError or RecursionError where it
    is none.

    msgspec is three times as fast as Python's parser, which takes what msgspec refuses (NaN, a byte
    order mark, UTF-16), and whose errors are those that are raised.
    """
    if as_object is not dict:
        return json.loads(text, object_pairs_hook=as_object)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text)


def read_json(path: Path, as_object: AsObject = dict) -> dict[str, Any]:
    """The file's content, with the lists that COCO's instances format has; `as_object` makes the
    JSON's objects.

    Raises UserError naming the file that is missing, no JSON or of another format.
    """
    try:
        content = parse_json(path.read_bytes(), as_object)
    except FileNotFoundError as error:
        raise UserError(
            f"annotations must be a COCO JSON file, found no file at {path}; check the path"
        ) from error
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: not JSON, not text; the last: nested too deep
        raise UserError(
            f"annotations must be a COCO JSON file, cannot read {path}: {error}"
        ) from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in lists
    ):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise UserError(
            f"a COCO instances file holds the lists {', '.join(lists)}, {path} holds {found}"
        )
    return content


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Without Python's cycle collector, which would go through millions of new records again and
    again: twice the time.

    Nothing that is made of JSON has cycles.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
