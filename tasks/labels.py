"""Classes: contiguous labels, and the ids and names of the data set.  K classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnet_backbones.errors import UserError

FileId = int | str


@dataclass(frozen=True)
class LabelMap:
    """Classes in the order of their labels 0..K-1."""

    category_ids: tuple[FileId, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.category_ids) != len(self.names):
            raise UserError(
                f"a label map needs one name per id, got {len(self.category_ids)} ids,"
                f" {len(self.names)} names"
            )
        _check_unique("id", self.category_ids)
        _check_unique("name", self.names)

    @property
    def num_classes(self) -> int:
        """Foreground classes, K."""
        return len(self.names)

    def to_json(self) -> dict[str, list[Any]]:
        """Return the label map as JSON can hold it."""
        return {"category_ids": list(self.category_ids), "names": list(self.names)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "LabelMap":
        """Make the label map that `to_json` returned."""
        return cls(tuple(content["category_ids"]), tuple(content["names"]))


def _check_unique(kind: str, values: Sequence[FileId]) -> None:
    """Raise UserError for ids or names that occur twice."""
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise UserError(
            f"category {kind}s must be unique, got {repeated[0]!r} twice; rename or merge them"
        )
