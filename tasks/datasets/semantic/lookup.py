"""Turn the values and colours of masks into labels. K classes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.categories import Classes, read_classes
from tasks.datasets.semantic.classes import LARGEST, ClassList
from tasks.datasets.semantic.codes import (
    CodeTable,
    code_table,
    colour_code,
    colour_codes,
    colour_of,
)
from tasks.errors import DataError, errors_of, few
from tasks.images import Labels
from tasks.labels import IGNORED, LabelMap


class UnknownValuesError(DataError):
    """A mask with values or colours that are neither a class nor ignored."""

    different = 1
    """Number of different ones."""


def unknown_values(rule: str, way_out: str, different: int) -> UnknownValuesError:
    """Make the error; torch makes a worker's again from its text, which does not say how many."""
    error = UnknownValuesError(rule, way_out)
    error.different = different
    return error


@dataclass(frozen=True)
class Lookup:
    """The labels of values and of colours."""

    source: str
    """Name of the list of classes in messages."""
    listed: tuple[int, ...]
    """Values that are classes or ignored."""
    labels: Labels  # (65536,) of values
    known: NDArray[np.bool_]  # (65536,)
    colours: CodeTable | None

    def read(self, stored: NDArray[Any], path: Path) -> Labels:
        """Labels (H, W) of the mask at `path`, from its values or colours.

        Raises UnknownValuesError naming the first value or colour that is not a class, and
        DataError for a file that is not a mask.
        """
        if stored.ndim == 3 and stored.shape[2] >= 3:
            return self._read_colours(stored, path)
        values = stored[..., 0] if stored.ndim == 3 else stored  # alpha says nothing
        if values.dtype == np.bool_:
            values = values.astype(np.uint8)
        if not np.issubdtype(values.dtype, np.integer):
            rule = f"{path}: a mask must hold whole numbers, got {values.dtype}"
            raise DataError(rule, "save it with 8 or 16 bits")
        places: NDArray[Any] = values if values.itemsize <= 2 else np.clip(values, 0, LARGEST)
        unknown: NDArray[np.bool_] = ~np.take(self.known, places)
        if places is not values:
            unknown |= places != values
        if unknown.any():
            raise self._unknown_value(values, unknown, path)
        labels: Labels = np.take(self.labels, places)
        return labels

    def _read_colours(self, stored: NDArray[Any], path: Path) -> Labels:
        if self.colours is None:
            raise without_colours(path, self.source)
        codes = colour_codes(stored.astype(np.uint8, copy=False))
        labels, unknown = self.colours.look_up(codes)
        if unknown.any():
            raise self._unknown_colour(codes, unknown, path)
        return labels

    def _unknown_value(
        self, values: NDArray[Any], unknown: NDArray[np.bool_], path: Path
    ) -> UnknownValuesError:
        seen = f"the value {values[unknown][0]} at {_first(unknown)}"
        rule = f"{path}: every value must be a class or ignored, got {seen}"
        held = few([str(value) for value in self.listed])
        way_out = f"correct the mask, add it to data.ignore or to {self.source}, which has {held}"
        return unknown_values(rule, way_out, len(np.unique(values[unknown])))

    def _unknown_colour(
        self, codes: NDArray[np.uint32], unknown: NDArray[np.bool_], path: Path
    ) -> UnknownValuesError:
        seen = f"{colour_of(int(codes[unknown][0]))} at {_first(unknown)}"
        rule = f"{path}: every colour must be that of a class or ignored, got {seen}"
        way_out = f"correct the mask, or add the colour to {self.source}"
        return unknown_values(rule, way_out, len(np.unique(codes[unknown])))


def _first(unknown: NDArray[np.bool_]) -> str:
    """Position of the first pixel, in words."""
    row, column = np.argwhere(unknown)[0].tolist()
    return f"x {column}, y {row}"


def without_colours(path: Path, source: str) -> DataError:
    """Make the error for a mask of colours if the classes have none."""
    rule = f"{path}: a mask must hold a value for each pixel, got colours, and {source} has none"
    return DataError(rule, "save masks as gray or palette PNG, or give the classes colours")


def make_lookup(classes: ClassList, wanted: LabelMap | None) -> tuple[Classes, Lookup]:
    """Label the classes of a list in its order, or by name as `wanted` does.

    A class that `wanted` lacks is ignored. Raises OtherClassesError where it has none of them.
    """
    records = [{"id": entry.value, "name": entry.name} for entry in classes.scored]
    with errors_of(classes.source):
        read = read_classes(records, [], wanted, classes.source)
    labels = np.full(LARGEST + 1, IGNORED, dtype=np.uint8)
    known = np.zeros(LARGEST + 1, dtype=np.bool_)
    known[list(classes.ignored)] = True
    for entry in classes.scored:
        known[entry.value] = True
        labels[entry.value] = label_or_ignored(read.labels[entry.value])
    listed = tuple(np.flatnonzero(known).tolist())
    lookup = Lookup(classes.source, listed, labels, known, _colour_table(classes, labels))
    if wanted is None:
        read = replace(read, label_map=_with_colours(read.label_map, classes))
    return read, lookup


def label_or_ignored(label: int | None) -> int:
    """Label of a class, or the ignored label if it has none."""
    return IGNORED if label is None else label


def _colour_table(classes: ClassList, labels: Labels) -> CodeTable | None:
    by_code: Mapping[int, int] = {
        colour_code(entry.colour): int(labels[entry.value])
        for entry in classes.entries
        if entry.colour is not None
    }
    return code_table(list(by_code), list(by_code.values())) if by_code else None


def _with_colours(label_map: LabelMap, classes: ClassList) -> LabelMap:
    """The label map with the list's colours, if every class has one."""
    colours = [entry.colour for entry in classes.scored if entry.colour is not None]
    every = len(colours) == label_map.num_classes
    return replace(label_map, colours=tuple(colours)) if every else label_map
