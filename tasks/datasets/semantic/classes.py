"""Lists of classes: what the values and the colours of masks mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.dataset import MOST_CLASSES
from tasks.labels import IGNORED, Colour

LARGEST = 65535
"""The largest value that a mask can hold, in 16 bits."""


@dataclass(frozen=True)
class MaskClass:
    """A class of a list."""

    name: str
    value: int
    """Value of the class in masks of indices."""
    colour: Colour | None = None
    """Colour of the class in masks of colours."""


@dataclass(frozen=True)
class ClassList:
    """The classes of masks, and the ignored values."""

    source: str
    """Name of the list in messages: its file, or "the list camvid"."""
    entries: tuple[MaskClass, ...]
    ignored: frozenset[int] = frozenset()
    """Ignored values; an entry with such a value is no class, and its colour is ignored too."""

    def __post_init__(self) -> None:
        _check_unique(self.source, "value", [entry.value for entry in self.entries])
        for value in (*self.ignored, *(entry.value for entry in self.entries)):
            if not 0 <= value <= LARGEST:
                raise UserError(
                    f"{self.source}: values of masks are 0..{LARGEST}, got {value}; correct it"
                )

    @property
    def scored(self) -> list[MaskClass]:
        """Entries that are classes, in the order of their labels."""
        return [entry for entry in self.entries if entry.value not in self.ignored]

    @property
    def has_colours(self) -> bool:
        """Whether masks of colours can be read."""
        return any(entry.colour is not None for entry in self.entries)

    def ignoring(self, values: Iterable[int]) -> "ClassList":
        """Return the list without these values, and without 255 unless an entry has it.

        Raises UserError if no class is left, or too many are.
        """
        named = any(entry.value == IGNORED for entry in self.entries)
        usual = set() if named else {IGNORED}
        changed = replace(self, ignored=self.ignored | usual | set(values))
        count = len(changed.scored)
        if not 1 <= count <= MOST_CLASSES:
            raise UserError(
                f"{self.source}: 1..{MOST_CLASSES} classes must be left besides what is ignored,"
                f" got {count}; correct the list or data.ignore"
            )
        _check_colours(changed)
        return changed


def _check_colours(classes: ClassList) -> None:
    """Raise UserError if two classes have the same colour."""
    colours = [entry.colour for entry in classes.scored if entry.colour is not None]
    ignored = {entry.colour for entry in classes.entries if entry.value in classes.ignored}
    _check_unique(classes.source, "colour", [*colours, *(ignored - {None})])


def _check_unique(source: str, kind: str, values: Sequence[object]) -> None:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise UserError(
            f"{source}: every {kind} must be of one class, got {repeated[0]} twice; correct it"
        )
