"""The list that a reader makes: images, and the class of each.  N images, K classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.class_images.store import Store
from tasks.errors import DataError, few
from tasks.labels import LabelMap


@dataclass(frozen=True)
class Listing:
    """Images with their classes, as a data set of any kind has them."""

    store: Store
    classes: tuple[str, ...]  # (K,)
    labels: NDArray[np.int64]  # (N,) places in `classes`
    warnings: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of a class's first image, if a text file lists them."""


def check_class_names(path: Path, names: Sequence[str]) -> None:
    """Raise DataError for class names that differ only in case and surrounding blanks."""
    first: dict[str, str] = {}
    for name in names:
        plain = _plain(name)
        if plain in first:
            rule = f"class names must differ by more than case and blanks, {path} has"
            seen = f"{rule} {first[plain]!r} and {name!r}"
            raise DataError(seen, "give both one name, or one of them another name")
        first[plain] = name


def label_as(wanted: LabelMap, listing: Listing, path: Path) -> Listing:
    """Label the images by the names of `wanted`.

    Raises DataError naming an image's class that is not among them. Classes of `wanted` without an
    image here are a warning.
    """
    places = {name: label for label, name in enumerate(wanted.names)}
    present = [listing.classes[label] for label in np.unique(listing.labels)]
    unknown = [name for name in present if name not in places]
    if unknown:
        raise _unknown_classes(unknown, wanted, path, listing.lines.get(unknown[0]))
    new = np.array([places.get(name, -1) for name in listing.classes], dtype=np.int64)
    warnings = (*listing.warnings, *_without_images(wanted.names, present))
    return Listing(listing.store, wanted.names, new[listing.labels], warnings)


def number_classes(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Sort the classes of N images by name: their names (K,), and the label of each image (N,)."""
    classes = tuple(sorted(set(names)))
    places = {name: label for label, name in enumerate(classes)}
    labels = np.array([places[name] for name in names], dtype=np.int64)
    return classes, labels


def _plain(name: str) -> str:
    return name.strip().casefold()


def _without_images(names: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    """Make the warning about classes that have no image."""
    held = set(present)
    missing = [name for name in names if name not in held]
    if not missing:
        return ()
    return (f"{len(missing)} of {len(names)} classes have no image: {few(missing)}",)


def _unknown_classes(
    names: Sequence[str], wanted: LabelMap, path: Path, line: int | None
) -> DataError:
    """Make the error for classes that the label map does not have; the first is at `line`."""
    where = str(path) if line is None else f"{path}:{line}"
    near = [known for known in wanted.names if _plain(known) == _plain(names[0])]
    seen = f"got {few([repr(name) for name in names])}, which is not among {few(wanted.names)}"
    rule = f"{where}: every class must be one of those trained on, {seen}"
    if near:
        return DataError(rule, f"did you mean {near[0]!r}? give both one name")
    return DataError(rule, "take its images out, or train on them too")
