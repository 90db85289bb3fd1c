"""YAML files and overrides as nested values, and back.  The only file that uses OmegaConf.

Imports no torch.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from resnet_backbones.errors import UserError
from tasks.engine.setting_names import declared_type
from tasks.engine.setting_types import takes_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the nested mapping in a YAML file; references such as ${oc.env:HOME} are resolved."""
    if not path.is_file():
        raise UserError(f"a settings file must exist, got {path}; `backbones recipes` lists ours")
    try:
        values = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except Exception as error:  # the YAML library's errors share no base class with OmegaConf's
        raise UserError(f"a settings file must be YAML, got {path}: {error}") from error
    if not isinstance(values, dict):
        rule = "a settings file must hold `section: {key: value}`"
        raise UserError(f"{rule}, got a list in {path}")
    return {str(key): value for key, value in values.items()}


def yaml_text(values: Mapping[str, Any]) -> str:
    """Write nested plain values as the text of a YAML file; `read_yaml` reads it back."""
    text: str = OmegaConf.to_yaml(OmegaConf.create(_without_references(values)))
    return text


def _without_references(value: Any) -> Any:
    """Escape every `${` in a value's texts by a backslash, so that it is not a reference."""
    if isinstance(value, Mapping):
        return {name: _without_references(below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_without_references(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", value)
    return value


def parse_override(cls: type["DataclassInstance"], text: str) -> dict[str, Any]:
    """Parse one `section.key=value` as a nested mapping; a text stays as it was typed."""
    key, equals, typed = text.partition("=")
    if not equals or not all(part.isidentifier() for part in key.split(".")):
        raise UserError(f"an override must read section.key=value, got {text!r}")
    hint = declared_type(cls, key)
    value: Any = None
    if typed != "null":  # in quotes it is a text
        value = _unquoted(typed) if takes_text(hint) else _parse_value(text, typed)
    for part in reversed(key.split(".")):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _parse_value(text: str, typed: str) -> Any:
    try:
        parsed = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={typed}"]), resolve=True)
    except Exception as error:  # see read_yaml
        rule = "the value of an override must be YAML"
        raise UserError(f"{rule}, got {text!r}: {error}") from error
    assert isinstance(parsed, dict)
    return parsed["value"]


def _unquoted(typed: str) -> str:
    """Remove the quotes that were typed around a whole text."""
    quoted = len(typed) >= 2 and typed[0] == typed[-1] and typed[0] in "\"'"
    return typed[1:-1] if quoted else typed
