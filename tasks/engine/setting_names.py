"""Dotted names of settings, and what a wrong one may stand for.  Imports no torch."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.engine.setting_types import field_types, section_type
from tasks.engine.settings import EXCLUDES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def setting_names(cls: type["DataclassInstance"], prefix: str = "") -> Iterator[str]:
    """Dotted names of all sections and settings."""
    for name, hint in field_types(cls).items():
        yield f"{prefix}{name}"
        section = section_type(hint)
        if section is not None:
            yield from setting_names(section, f"{prefix}{name}.")


def declared_type(cls: type["DataclassInstance"], key: str) -> Any:
    """Declared type of the setting with a dotted name; None where there is no such setting."""
    section, _, rest = key.partition(".")
    hint = field_types(cls).get(section)
    if not rest:
        return hint
    below = section_type(hint)
    return None if below is None else declared_type(below, rest)


def excluded_by(cls: type["DataclassInstance"], key: str) -> list[str]:
    """Dotted names of the settings that a setting takes the place of, in both directions."""
    section, _, name = key.rpartition(".")
    owner = section_type(declared_type(cls, section)) if section else cls
    if owner is None:
        return []
    excluded = {item.name: item.metadata.get(EXCLUDES, ()) for item in dataclasses.fields(owner)}
    partners = [other for other in excluded if other in excluded[name] or name in excluded[other]]
    return [f"{section}.{other}" if section else other for other in partners]


def unknown_setting(cls: type["DataclassInstance"], key: str, source: str) -> str:
    """What to tell of a key that is no setting: what became of it, or the nearest right name."""
    removed: Mapping[str, str] = getattr(cls, "REMOVED", {})
    if key in removed:
        return f"{key} is no setting any more, seen in {source}; {removed[key]}"
    nearest = _nearest(key, list(setting_names(cls)))
    return f"{key} is not a setting, seen in {source}; {nearest}"


def _nearest(key: str, names: Sequence[str]) -> str:
    """What a wrong name may stand for: the same last part elsewhere, a similar one, its section."""
    section, _, last = key.rpartition(".")
    parts = {name: name.rpartition(".") for name in names}
    siblings = {parts[name][2]: name for name in names if parts[name][0] == section}
    near = [name for name in names if parts[name][2] == last]
    near = near or [siblings[match] for match in difflib.get_close_matches(last, siblings, n=3)]
    near = near or difflib.get_close_matches(key, () if siblings else names, n=3)
    near = near or [name for name in names if _is_like(last, parts[name][2])]
    if near:
        return f"did you mean {' or '.join(near)}?"
    if siblings:
        return f"{section or 'the top level'} has {', '.join(siblings)}"
    return "--help lists all settings"


def _is_like(name: str, other: str) -> bool:
    return bool(difflib.get_close_matches(name, [other], cutoff=0.75))
