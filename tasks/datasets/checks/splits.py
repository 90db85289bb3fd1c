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
    """Where the splits are that are there, and why others are not.

    One that the settings name must be there, of the others one is enough; UserError where it is
    not.
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
