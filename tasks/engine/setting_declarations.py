"""Declarations in settings classes: rules, exclusions, and what a resumed run may change.

Imports no torch.
"""

from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from resnet_backbones.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
EXCLUDES = "excludes"
MAY_CHANGE = "may_change"


def require(condition: bool, rule: str, value: object) -> None:
    """Raise UserError "`rule`, got `value`" unless `condition` holds."""
    if not condition:
        raise UserError(f"{rule}, got {value!r}")


def may_change(default: T, *, unless: str | None = None) -> T:
    """Declare a setting that a resumed run may change, as it does not affect the trained weights.

    `unless` names a property of the task's settings; if that is true the setting must stay.
    """
    return field(default=default, metadata={MAY_CHANGE: unless or True})


def excluding(default: T, *names: str) -> T:
    """Declare a setting that replaces others in its section."""
    return field(default=default, metadata={EXCLUDES: names})


def changeable(config: "DataclassInstance", prefix: str = "") -> Iterator[str]:
    """List the dotted names of settings that a run resumed with `config` may change."""
    yield from _changeable(config, config, prefix)


def _changeable(section: Any, config: Any, prefix: str) -> Iterator[str]:
    for item in fields(section):
        value = getattr(section, item.name)
        if is_dataclass(value):
            yield from _changeable(value, config, f"{prefix}{item.name}.")
            continue
        condition = item.metadata.get(MAY_CHANGE, False)
        if condition is True or (condition and not getattr(config, condition)):
            yield f"{prefix}{item.name}"
