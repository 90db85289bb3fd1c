"""Classes: contiguous labels, and the ids and names of the data set.  K classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resnet_backbones.errors import UserError

FileId = int | str
Colour = tuple[int, int, int]
"""Red, green and blue in 0..255."""
IGNORED = 255
"""The label of ignored pixels."""


@dataclass(frozen=True)
class LabelMap:
    """Classes in the order of their labels 0..K-1; equal where ids and names are."""

    category_ids: tuple[FileId, ...]
    names: tuple[str, ...]
    colours: tuple[Colour, ...] | None = field(default=None, compare=False)
    """Colours in which the data set draws its classes; None if it gives none."""
    source: str = field(default="the label map", compare=False)
    """Name in messages: the file that the classes come from."""

    def __post_init__(self) -> None:
        if len(self.category_ids) != len(self.names):
            raise UserError(
                f"a label map needs one name per id, got {len(self.category_ids)} ids,"
                f" {len(self.names)} names"
            )
        if self.colours is not None and len(self.colours) != len(self.names):
            counts = f"{len(self.colours)} colours, {len(self.names)} names"
            raise UserError(f"a label map needs one colour per name or none, got {counts}")
        _check_unique("id", self.category_ids)
        _check_unique("name", self.names)

    @property
    def num_classes(self) -> int:
        """Foreground classes, K."""
        return len(self.names)

    def to_json(self) -> dict[str, list[Any]]:
        """Return the label map as JSON can hold it."""
        content: dict[str, list[Any]] = {
            "category_ids": list(self.category_ids),
            "names": list(self.names),
        }
        if self.colours is not None:
            content["colours"] = [list(colour) for colour in self.colours]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "LabelMap":
        """Make the label map that `to_json` returned; UserError for anything else."""
        if not _is_label_map(content):
            raise UserError(
                f"a label map must hold category_ids and names, got {str(content)[:80]}"
            )
        colours = content.get("colours")
        return cls(
            tuple(content["category_ids"]),
            tuple(content["names"]),
            None if colours is None else tuple((red, green, blue) for red, green, blue in colours),
        )


def _is_label_map(content: object) -> bool:
    """Whether content has lists of ids and names and, if any, colours of three numbers each."""
    if not isinstance(content, Mapping):
        return False
    ids = content.get("category_ids")
    names = content.get("names")
    if not isinstance(ids, list) or not isinstance(names, list):
        return False
    if not all(isinstance(name, str) for name in names):
        return False
    if not all(type(value) in (int, str) for value in ids):
        return False
    colours = content.get("colours") or []
    return isinstance(colours, list) and all(map(_is_colour, colours))


def _is_colour(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    return all(type(part) is int and 0 <= part <= 255 for part in value)


def _check_unique(kind: str, values: Sequence[FileId]) -> None:
    """Raise UserError for ids or names that occur twice."""
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise UserError(
            f"category {kind}s must be unique, got {repeated[0]!r} twice; rename or merge them"
        )
