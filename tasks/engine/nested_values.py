"""Settings as nested mappings: {"optim": {"lr": 0.1}} is `optim.lr=0.1`. Imports no torch."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs ("section.key", value) of nested settings."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted name, None if there is none."""
    section, _, rest = key.partition(".")
    below = values.get(section)
    return look_up(below, rest) if rest and isinstance(below, Mapping) else below


def forget(values: dict[str, Any], key: str, nullable: bool) -> None:
    """Make a setting null if its type allows it, as the default may set it too, or remove it."""
    section, _, rest = key.partition(".")
    if rest:
        forget(values.setdefault(section, {}), rest, nullable)
    elif nullable:
        values[section] = None
    else:
        values.pop(section, None)


def merge(values: dict[str, Any], newer: Mapping[str, Any]) -> None:
    """Lay newer nested values over older ones, in place."""
    for name, value in newer.items():
        if isinstance(value, Mapping):
            older = values.get(name)
            values[name] = older if isinstance(older, dict) else {}
            merge(values[name], value)
        else:
            values[name] = value
