"""The splits of a data set that is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from resnet_backbones.errors import UserError

Name = Literal["train", "val"]
NAMES: tuple[Name, ...] = ("train", "val")
Place = TypeVar("Place")


def find_splits(
    locate: Callable[[Name], Place], is_named: Callable[[Name], bool] = lambda name: False
) -> tuple[dict[str, Place], list[str]]:
    """Locate the splits that exist, and say why others do not.

    A split that the settings name must exist; of the others one is enough. Otherwise raises
    UserError.
    """
    places: dict[str, Place] = {}
    missing: list[str] = []
    for name in NAMES:
        try:
            places[name] = locate(name)
        except UserError as error:
            if is_named(name):
                raise
            missing.append(str(error))
    if not places:
        raise UserError("; ".join(missing))
    return places, missing
