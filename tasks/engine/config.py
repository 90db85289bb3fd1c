"""Settings: defaults, then a YAML file, then `section.key=value`; the right-most wins.  Imports no
torch.

A settings class is a frozen dataclass whose fields are bool, int, float, str, Literal, tuples of
those, any of those or None, or another settings class.  OmegaConf reads the YAML and the overrides
and is used in this file only.
"""

import ast
import dataclasses
import difflib
import inspect
import itertools
import math
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf

from resnet_backbones.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def load_config(cls: type[Config], path: str | Path | None, overrides: Sequence[str]) -> Config:
    """Settings from the defaults, the file at `path` and overrides such as `optim.lr=0.01`; the
    right-most wins.

    An unknown key, a wrong type or a refused value raises UserError with the file or the override
    it came from.
    """
    sources = [] if path is None else [(str(path), _read_file(Path(path)))]
    return _combine(cls, sources + _read_overrides(overrides))


def with_overrides(config: Config, overrides: Sequence[str], source: str) -> Config:
    """The settings with overrides such as `optim.lr=0.01` laid over them; `source` names the
    settings in errors.
    """
    return _combine(type(config), [(source, to_dict(config)), *_read_overrides(overrides)])


def _read_overrides(overrides: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"override {text}", _read_override(text)) for text in overrides]


def _combine(cls: type[Config], sources: Sequence[tuple[str, dict[str, Any]]]) -> Config:
    """Settings from named sources, later ones laid over earlier ones and all over the defaults."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, given in sources:
        checked = _checked(cls, given, source)
        _merge(values, checked)
        origins.update({key: source for key, _ in flatten(checked)})
    return _build(cls, values, "", origins)


def from_dict(
    cls: type[Config], values: Mapping[str, object], source: str = "the given settings"
) -> Config:
    """Settings from nested plain values, as `to_dict` gives them; `source` names them in errors."""
    checked = _checked(cls, values, source)
    return _build(cls, checked, "", {key: source for key, _ in flatten(checked)})


def to_dict(config: "DataclassInstance") -> dict[str, Any]:
    """Nested plain values for JSON and YAML; tuples become lists."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            plain[name] = to_dict(value)
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def to_yaml(config: "DataclassInstance") -> str:
    """The settings as a YAML file that `load_config` reads back to an equal value."""
    text: str = OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))
    return text


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs ("section.key", value) of nested settings."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def describe(cls: type["DataclassInstance"], prefix: str = "") -> str:
    """Every setting with its default, its type and the text below its declaration, for `--help`."""
    hints, documents = get_type_hints(cls), _field_documents(cls)
    lines, sections = [], []
    for field in dataclasses.fields(cls):
        hint, name, document = hints[field.name], prefix + field.name, documents[field.name]
        if dataclasses.is_dataclass(hint):
            sections.append(f"\n{name}: {document}\n{describe(_class(hint), f'{name}.')}")
        else:
            lines.append(f"  {name} = {_show(field.default)}  ({_expected(hint)})")
            lines.append(
                textwrap.fill(document, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
            )
    return "\n".join(lines + sections).lstrip("\n")


def _class(hint: Any) -> type["DataclassInstance"]:
    """A field's declared type that is known to be a settings class."""
    assert isinstance(hint, type)
    return hint


def _field_documents(cls: type) -> dict[str, str]:
    """The string below each field's declaration, read from the source."""
    documents: dict[str, str] = {}
    for owner in reversed([owner for owner in cls.__mro__ if dataclasses.is_dataclass(owner)]):
        tree = ast.parse(inspect.getsource(sys.modules[owner.__module__]))
        body = next(
            node.body
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and node.name == owner.__name__
        )
        for node, below in itertools.pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(below, ast.Expr)
            ):
                documents[node.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return documents


def _show(value: object) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, tuple):
        return f"[{','.join(_show(item) for item in value)}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _read_file(path: Path) -> dict[str, Any]:
    """The nested mapping in a YAML file; references such as ${oc.env:HOME} are resolved."""
    if not path.is_file():
        first = "; the first argument names it, settings come after" if "=" in str(path) else ""
        raise UserError(
            f"a settings file must exist, got {path}; configs/ holds the shipped ones{first}"
        )
    try:
        values = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except Exception as error:  # the YAML library's errors share no base class with OmegaConf's
        raise UserError(f"a settings file must be YAML, got {path}: {error}") from error
    if not isinstance(values, dict):
        raise UserError(
            f"a settings file must hold `section: {{key: value}}`, got a list in {path}"
        )
    return {str(key): value for key, value in values.items()}


def _read_override(text: str) -> dict[str, Any]:
    """The nested mapping of one `section.key=value`."""
    key, equals, _ = text.partition("=")
    if not equals or not all(part.isidentifier() for part in key.split(".")):
        raise UserError(f"an override must read section.key=value, got {text!r}")
    try:
        values = OmegaConf.to_container(OmegaConf.from_dotlist([text]), resolve=True)
    except Exception as error:  # see _read_file
        raise UserError(f"the value of an override must be YAML, got {text!r}: {error}") from error
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def _checked(cls: type, values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Nested values after every name and type was checked."""
    _refuse_unknown(cls, values, source)
    return _check_section(cls, values, "", source)


def _check_section(cls: Any, values: object, prefix: str, source: str) -> dict[str, Any]:
    """The given values of a section, each of the declared type; what is not given stays absent."""
    if values is None:  # `section:` with nothing below it
        return {}
    if not isinstance(values, Mapping):
        raise UserError(
            f"{prefix[:-1]} is a section and must hold `key: value` pairs, got {values!r} in"
            f" {source}"
        )
    hints = get_type_hints(cls)
    checked: dict[str, Any] = {}
    for name, value in values.items():
        key, hint = f"{prefix}{name}", hints[name]
        if dataclasses.is_dataclass(hint):
            checked[name] = _check_section(hint, value, f"{key}.", source)
        else:
            checked[name] = _check_value(hint, value, key, source)
    return checked


def _check_value(hint: Any, value: object, key: str, source: str) -> Any:
    """`value` as the declared type: whole numbers serve as numbers, a single value as a list of
    one.
    """
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for choice in choices:
        fits, converted = _convert(choice, value)
        if fits:
            return converted
    quote = (
        f"; quote it: {key}='\"{value}\"'"
        if str in choices and isinstance(value, int | float)
        else ""
    )
    raise UserError(f"{key} must be {_expected(hint)}, got {value!r} in {source}{quote}")


def _convert(hint: Any, value: object) -> tuple[bool, object]:
    """Whether `value` is of a declared type that is not a union, and what it becomes."""
    if get_origin(hint) is Literal:
        return (
            any(value == choice and type(value) is type(choice) for choice in get_args(hint)),
            value,
        )
    if get_origin(hint) is tuple:
        return _convert_tuple(get_args(hint), value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return math.isfinite(value), float(value)
    return type(value) is hint, value


def _convert_tuple(hints: tuple[Any, ...], value: object) -> tuple[bool, object]:
    """The same for `tuple[X, ...]` and `tuple[X, Y]`; a value that is no list counts as a list of
    one.
    """
    items = list(value) if isinstance(value, list | tuple) else [value]
    wanted = [hints[0]] * len(items) if hints[-1] is Ellipsis else list(hints)
    if len(items) != len(wanted):
        return False, value
    converted = [_convert(hint, item) for hint, item in zip(wanted, items, strict=True)]
    return all(fits for fits, _ in converted), tuple(item for _, item in converted)


def _expected(hint: Any) -> str:
    """A declared type in words."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_expected(choice) for choice in get_args(hint))
    if get_origin(hint) is Literal:
        return f"one of {', '.join(str(choice) for choice in get_args(hint))}"
    if get_origin(hint) is tuple:
        items = get_args(hint)
        return (
            f"a list of {_NAMES[items[0]].split(' ', 1)[1]}s"
            if items[-1] is Ellipsis
            else f"a list of {len(items)}"
        )
    return "null" if hint is types.NoneType else _NAMES[hint]


def _refuse_unknown(cls: type, values: Mapping[str, Any], source: str) -> None:
    """Raise UserError with the nearest right name for a key that `cls` does not have."""
    names = list(_setting_names(cls))
    for key, _ in flatten(values):
        if key not in names:
            raise UserError(f"{key} is not a setting, seen in {source}; {_nearest(key, names)}")


def _setting_names(cls: type, prefix: str = "") -> Iterator[str]:
    """Dotted names of all sections and settings."""
    for name, hint in get_type_hints(cls).items():
        yield f"{prefix}{name}"
        if dataclasses.is_dataclass(hint):
            yield from _setting_names(_class(hint), f"{prefix}{name}.")


def _nearest(key: str, names: Sequence[str]) -> str:
    """What a wrong name may stand for: the same last part elsewhere, a similar spelling, or its
    whole section.
    """
    section, _, last = key.rpartition(".")
    parts = {name: name.rpartition(".") for name in names}
    siblings = {parts[name][2]: name for name in names if parts[name][0] == section}
    near = [name for name in names if parts[name][2] == last]
    near = near or [siblings[match] for match in difflib.get_close_matches(last, siblings, n=3)]
    near = near or difflib.get_close_matches(key, () if siblings else names, n=3)
    near = near or [
        name for name in names if difflib.get_close_matches(last, [parts[name][2]], cutoff=0.75)
    ]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return (
        f"{section or 'the top level'} has {', '.join(siblings)}"
        if siblings
        else "--help lists all settings"
    )


def _merge(values: dict[str, Any], newer: Mapping[str, Any]) -> None:
    """Lay newer nested values over older ones, in place."""
    for name, value in newer.items():
        if isinstance(value, Mapping):
            _merge(values.setdefault(name, {}), value)
        else:
            values[name] = value


def _build(
    cls: type[Config], values: Mapping[str, Any], prefix: str, origins: Mapping[str, str]
) -> Config:
    """Construct the nested settings; a refused value is reported with where its section's values
    came from.
    """
    hints = get_type_hints(cls)
    arguments = {}
    for name, value in values.items():
        nested = dataclasses.is_dataclass(hints[name])
        arguments[name] = (
            _build(hints[name], value, f"{prefix}{name}.", origins) if nested else value
        )
    try:
        return cls(**arguments)
    except UserError as error:
        named = dict.fromkeys(source for key, source in origins.items() if key.startswith(prefix))
        raise UserError(f"{error} (set in {', '.join(named)})" if named else str(error)) from error
