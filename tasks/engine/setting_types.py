"""The types of settings: declared types of fields, and values of these types. Imports no torch.

A settings class is a frozen dataclass whose fields are bool, int, float, str, Literal, tuples of
those, any of those or None, another settings class, or another settings class or None.
"""

import dataclasses
import math
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def field_types(cls: type["DataclassInstance"]) -> dict[str, Any]:
    """Return the declared type of each field, in the order of declaration."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def section_type(hint: Any) -> type["DataclassInstance"] | None:
    """Return the settings class that a field declares, alone or with None; None for a plain
    value.
    """
    for choice in _choices(hint):
        if isinstance(choice, type) and dataclasses.is_dataclass(choice):
            return choice
    return None


def may_be_absent(hint: Any) -> bool:
    """Whether a field may be null."""
    return types.NoneType in _choices(hint)


def takes_text(hint: Any) -> bool:
    """Whether a setting's value may be any text."""
    return str in _choices(hint)


def convert(hint: Any, value: object) -> tuple[bool, object]:
    """Check whether `value` has a declared type, and return it as that type.

    Whole numbers serve as numbers, and a single value as a list of one.
    """
    for choice in _choices(hint):
        fits, converted = _convert_one(choice, value)
        if fits:
            return True, converted
    return False, value


def expected(hint: Any) -> str:
    """Write a declared type in words."""
    choices = _choices(hint)
    if len(choices) > 1:
        return " or ".join(expected(choice) for choice in choices)
    if hint is types.NoneType:
        return "null"
    if section_type(hint) is not None:
        return "a section"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(str(choice) for choice in get_args(hint))}"
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if items[-1] is Ellipsis and get_origin(items[0]) is Literal:
            return f"a list of {' and '.join(str(choice) for choice in get_args(items[0]))}"
        if items[-1] is Ellipsis:
            return f"a list of {_NAMES[items[0]].split(' ', 1)[1]}s"
        return f"a list of {len(items)}"
    return _NAMES[hint]


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _convert_one(hint: Any, value: object) -> tuple[bool, object]:
    if get_origin(hint) is Literal:
        fits = any(value == choice and type(value) is type(choice) for choice in get_args(hint))
        return fits, value
    if get_origin(hint) is tuple:
        return _convert_tuple(get_args(hint), value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return math.isfinite(value), float(value)
    return type(value) is hint, value


def _convert_tuple(hints: tuple[Any, ...], value: object) -> tuple[bool, object]:
    """Convert for `tuple[X, ...]` and `tuple[X, Y]`."""
    items = list(value) if isinstance(value, list | tuple) else [value]
    item_types = [hints[0]] * len(items) if hints[-1] is Ellipsis else list(hints)
    if len(items) != len(item_types):
        return False, value
    converted = [convert(hint, item) for hint, item in zip(item_types, items, strict=True)]
    return all(fits for fits, _ in converted), tuple(item for _, item in converted)
