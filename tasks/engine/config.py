"""Settings: defaults, then a YAML file, then `section.key=value`; the last one wins.

Imports no torch. What a settings class may declare is in `setting_types.py`; `config_text.py` reads
files and overrides.

A section is its default with the given values replaced, so that a task's own defaults survive. A
settings class may have UPGRADES: functions that turn nested values of a saved version into those of
the next; REMOVED: dotted names of settings that are gone, with what to do instead.
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from resnet_backbones.errors import UserError
from tasks.engine.config_text import parse_override, read_yaml, yaml_text
from tasks.engine.nested_values import flatten, forget, look_up, merge
from tasks.engine.run_files import BEST, ENVIRONMENT, LAST, METRICS
from tasks.engine.setting_names import declared_type, excluded_by, setting_names, unknown_setting
from tasks.engine.setting_types import (
    convert,
    expected,
    field_types,
    may_be_absent,
    section_type,
    takes_text,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")
VERSION_KEY = "settings_version"
"""Top-level key of saved settings; those of version 0.1.0 of the toolkit have none."""
_RUN_FILES = (LAST, BEST, METRICS, ENVIRONMENT)


class UnknownSettingWarning(UserWarning):
    """A saved file holds a setting that this version does not know."""


@dataclass(frozen=True)
class _Source:
    """Nested values and their origin."""

    name: str
    values: Mapping[str, Any]
    saved: bool = False
    typed: bool = False
    """Whether it is an override of the command line; these all have the same rank."""


@dataclass
class _Values:
    """Values of several sources laid over each other, with the source of each."""

    nested: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, _Source] = field(default_factory=dict)


def load_config(cls: type[Config], path: str | Path | None, overrides: Sequence[str]) -> Config:
    """Settings from the defaults, the file at `path` and overrides such as `optim.lr=0.01`.

    An unknown key, a wrong type or a refused value is a UserError that names the file or the
    override. A run's own config.yaml may hold keys that this version does not know.
    """
    sources = [] if path is None else [_file_source(Path(path))]
    return _combine(cls(), [*sources, *_typed_sources(cls, overrides)])


def with_overrides(config: Config, overrides: Sequence[str]) -> Config:
    """The settings with overrides such as `optim.lr=0.01` laid over them."""
    return _combine(config, _typed_sources(type(config), overrides))


def from_saved(cls: type[Config], values: Mapping[str, object], source: str) -> Config:
    """Settings that `to_saved` wrote, in this version or an older one.

    A key that this version does not know is left out with an UnknownSettingWarning.
    """
    return _combine(cls(), [_Source(source, values, saved=True)])


def to_dict(config: "DataclassInstance") -> dict[str, Any]:
    """Nested plain values for JSON and YAML; tuples become lists."""
    plain: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            plain[item.name] = to_dict(value)
        else:
            plain[item.name] = list(value) if isinstance(value, tuple) else value
    return plain


def to_saved(config: "DataclassInstance") -> dict[str, Any]:
    """`to_dict` with the version of the settings, for files that later versions read."""
    return {VERSION_KEY: _version(type(config)), **to_dict(config)}


def to_yaml(config: "DataclassInstance") -> str:
    """`to_saved` as the text of a YAML file."""
    return yaml_text(to_saved(config))


def _version(cls: type["DataclassInstance"]) -> int:
    return 1 + len(getattr(cls, "UPGRADES", ()))


def _file_source(path: Path) -> _Source:
    values = read_yaml(path)
    beside_a_run = any((path.parent / name).exists() for name in _RUN_FILES)
    saved = VERSION_KEY in values or (path.name == "config.yaml" and beside_a_run)
    return _Source(str(path), values, saved=saved)


def _typed_sources(cls: type["DataclassInstance"], overrides: Sequence[str]) -> list[_Source]:
    return [
        _Source(f"override {text}", parse_override(cls, text), typed=True) for text in overrides
    ]


def _combine(default: Config, sources: Sequence[_Source]) -> Config:
    """Lay the sources over the default, later ones over earlier ones."""
    cls = type(default)
    values = _Values()
    for source in sources:
        given = _upgraded(cls, source) if source.saved else source.values
        known = _without_unknown(cls, given, source)
        checked = _checked_section(cls, known, "", source)
        if not source.saved:  # a saved file holds every setting, also unused ones
            _make_room(cls, values, checked, source)
        merge(values.nested, checked)
        values.origins.update({key: source for key, _ in flatten(checked)})
    return _build(default, values.nested, "", values.origins)


def _upgraded(cls: type["DataclassInstance"], source: _Source) -> Mapping[str, Any]:
    """Upgrade values to those that this version would have saved."""
    values = dict(source.values)
    version = values.pop(VERSION_KEY, 1)
    if type(version) is not int or version < 1:
        rule = f"{VERSION_KEY} must be a whole number from 1"
        raise UserError(f"{rule}, got {version!r} in {source.name}; the file is damaged")
    for upgrade in getattr(cls, "UPGRADES", ())[version - 1 :]:
        values = upgrade(values)
    return values


def _without_unknown(
    cls: type["DataclassInstance"], values: Mapping[str, Any], source: _Source
) -> dict[str, Any]:
    """Drop keys that `cls` does not have, with an error, or in a saved file a warning."""
    names = set(setting_names(cls))
    unknown = [key for key, _ in flatten(values) if key not in names]
    if not unknown:
        return dict(values)
    if not source.saved:
        raise UserError(unknown_setting(cls, unknown[0], source.name))
    text = f"{source.name} holds settings that this version does not know: {', '.join(unknown)}"
    warnings.warn(f"{text}; they are left out", UnknownSettingWarning, stacklevel=2)
    return _pruned(values, names, "")


def _pruned(values: Mapping[str, Any], names: set[str], prefix: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if key in names:
            is_section = isinstance(value, Mapping)
            kept[name] = _pruned(value, names, f"{key}.") if is_section else value
    return kept


def _checked_section(cls: Any, values: object, prefix: str, source: _Source) -> dict[str, Any]:
    """Convert the given values of a section to their declared types; missing ones stay missing."""
    if values is None:  # `section:` with nothing below it
        return {}
    if not isinstance(values, Mapping):
        rule = f"{prefix[:-1]} is a section and must hold `key: value` pairs"
        raise UserError(f"{rule}, got {values!r} in {source.name}")
    hints = field_types(cls)
    checked: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        hint = hints[name]
        section = section_type(hint)
        if section is None:
            checked[name] = _checked_value(hint, value, key, source)
        elif value is None and may_be_absent(hint):
            checked[name] = None
        else:
            checked[name] = _checked_section(section, value, f"{key}.", source)
    return checked


def _checked_value(hint: Any, value: object, key: str, source: _Source) -> Any:
    fits, converted = convert(hint, value)
    if not fits:
        is_number = isinstance(value, int | float)
        quote = f'; quote it: {key}: "{value}"' if takes_text(hint) and is_number else ""
        raise UserError(f"{key} must be {expected(hint)}, got {value!r} in {source.name}{quote}")
    if isinstance(converted, tuple):
        return tuple(_at_home(item) for item in converted)
    return _at_home(converted)


def _at_home(value: object) -> object:
    """Replace the `~` at the beginning of a text by the home folder; other values stay."""
    if isinstance(value, str) and value.split("/")[0] == "~":
        return str(Path(value).expanduser())
    return value


def _make_room(
    cls: type["DataclassInstance"], values: _Values, newer: Mapping[str, Any], source: _Source
) -> None:
    """Forget settings of earlier sources that one of the newer settings excludes.

    Within one file, or among the overrides of a command line, two of them are a UserError.
    """
    given = {key: value for key, value in flatten(newer) if value is not None}
    for key in given:
        for other in excluded_by(cls, key):
            earlier = values.origins.get(other)
            beside = earlier is not None and earlier.typed and source.typed
            if other in given or (beside and look_up(values.nested, other) is not None):
                raise UserError(
                    f"{key} and {other} exclude each other, got both in {source.name}; leave one"
                    " of them out"
                )
            if earlier is not None:
                del values.origins[other]
            forget(values.nested, other, may_be_absent(declared_type(cls, other)))


def _build(
    default: Config, values: Mapping[str, Any], prefix: str, origins: Mapping[str, _Source]
) -> Config:
    """Replace the given values in the default; the error of a refused value names its origin."""
    arguments: dict[str, Any] = {}
    hints = field_types(type(default))
    for name, value in values.items():
        section = section_type(hints[name])
        if section is None or value is None:
            arguments[name] = value
            continue
        own = getattr(default, name)
        base = section() if own is None else own
        arguments[name] = _build(base, value, f"{prefix}{name}.", origins)
    try:
        return dataclasses.replace(default, **arguments)
    except UserError as error:
        raise UserError(f"{error}{_set_in(str(error), prefix, origins)}") from error


def _set_in(message: str, prefix: str, origins: Mapping[str, _Source]) -> str:
    """Return the origins of the settings that a message names, or of the whole section."""
    own = {key: source.name for key, source in origins.items() if key.startswith(prefix)}
    named = {key: name for key, name in own.items() if key in message}
    sources = dict.fromkeys((named or own).values())
    return f" (set in {', '.join(sources)})" if sources and "(set in " not in message else ""
