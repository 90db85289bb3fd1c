"""Class folders: a folder for each class, with its images at any depth.

Names are relative, with `/` between their parts.  N images, K classes.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.class_images.listing import Listing, check_class_names, number_classes
from tasks.datasets.class_images.store import FileStore
from tasks.datasets.packed import PackedValues
from tasks.errors import DataError, few
from tasks.images import SUFFIXES, is_hidden

SPLITS = frozenset(("train", "val", "valid", "validation", "test"))


@dataclass(frozen=True)
class ClassFolders:
    """The images of a tree of class folders, class by class."""

    classes: tuple[str, ...]  # (K,)
    order: NDArray[np.int64]  # (N,) places in the list of files
    labels: NDArray[np.int64]  # (N,)
    warnings: tuple[str, ...]


def read_folders(path: Path) -> Listing:
    """List the class folders in the folder `path` as torchvision's ImageFolder does.

    Raises DataError if there are none, and for a class folder without images.
    """
    files, folders = _walk(path)
    found = sort_into_classes(path, files, folders)
    names = PackedValues([files[place] for place in found.order])
    return Listing(FileStore(path, names), found.classes, found.labels, found.warnings)


def sort_into_classes(
    path: Path, files: Sequence[str], folders: Iterable[str], above: str = ""
) -> ClassFolders:
    """Find the classes of the files in a tree or an archive; folders in `above` are not classes.

    Classes are sorted by name; the images of each by folder, then by name. Hidden files and files
    that are not images are left out. Raises DataError like `read_folders`.
    """
    below = {place: name[len(above) :] for place, name in enumerate(files) if is_below(name, above)}
    images = {place: name for place, name in below.items() if is_image(name)}
    inside = {place: name for place, name in images.items() if "/" in name}
    order = sorted(inside, key=lambda place: _sorting_key(inside[place]))
    classes, labels = number_classes([_class_of(inside[place]) for place in order])
    others = {name[len(above) :] for name in folders if is_below(name, above)}
    others |= {name for name in below.values() if "/" in name}
    empty = sorted({_class_of(name) for name in others if name} - set(classes))
    _check(path, classes, empty, len(images))
    beside = len(images) - len(inside)
    warnings: tuple[str, ...] = ()
    if beside:
        warnings += (f"{beside} images beside the class folders were left out",)
    inside_but_none = (below[place] for place in below.keys() - images.keys())
    warnings += _left_out(name for name in inside_but_none if "/" in name)
    return ClassFolders(classes, np.array(order, dtype=np.int64), labels, warnings)


def _left_out(names: Iterable[str]) -> tuple[str, ...]:
    """Count the files in class folders that are not images, by their endings."""
    counts = Counter(PurePosixPath(name).suffix.lower() for name in names)
    return tuple(
        f"{count} files ending in {suffix or 'nothing'} are not readable images and were left out"
        for suffix, count in sorted(counts.items())
    )


def is_below(name: str, above: str) -> bool:
    """Whether a name is visible and in the folder `above`."""
    return name.startswith(above) and not is_hidden(name)


def is_image(name: str) -> bool:
    """Whether a file's name has the ending of an image."""
    return name[name.rfind(".") :].lower() in SUFFIXES


def _class_of(name: str) -> str:
    return name.partition("/")[0]


def _sorting_key(name: str) -> tuple[str, str, str]:
    """Class, folder and file name: the order of torchvision's ImageFolder."""
    folder, _, file = name.rpartition("/")
    return _class_of(name), folder, file


def _walk(path: Path) -> tuple[list[str], list[str]]:
    """Names of all files below a folder, and of its folders; OSError if one cannot be listed."""
    files: list[str] = []
    top: list[str] = []
    for folder, folders, names in os.walk(path, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(folder, path).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        files += [f"{prefix}{name}" for name in names]
        top = top or folders
    return files, top


def _raise(error: OSError) -> None:
    raise error


def _check(path: Path, classes: Sequence[str], empty: Sequence[str], images: int) -> None:
    """Raise DataError for a tree without classes, an empty class, and names of splits."""
    every = [*classes, *empty]
    if not every:
        rule = f"{path} must hold a folder for each class, got {images} images and no folder"
        raise DataError(rule, "put the images of each class into a folder named by it")
    if SPLITS.issuperset(every):
        rule = f"folders must be classes, but {path} holds the splits {few(every)}"
        raise DataError(rule, "give the folder or archive of one split")
    if empty:
        rule = f"every class folder must hold images, but {few(empty)} in {path} holds none"
        raise DataError(rule, f"add files ending in {', '.join(sorted(SUFFIXES))}, or remove it")
    check_class_names(path, classes)
