"""Read data sets of images with a class each from any kind of path.  N images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.cifar import find_cifar, is_named_as_tar, read_cifar
from tasks.datasets.class_images.class_folders import read_folders
from tasks.datasets.class_images.csv_list import read_csv_list
from tasks.datasets.class_images.imagenet import read_flat
from tasks.datasets.class_images.listing import Listing, label_as
from tasks.datasets.class_images.shard_names import find_shards, is_pattern, refuse_remote
from tasks.datasets.class_images.shards import read_shards
from tasks.datasets.class_images.store import PartOfStore, Store
from tasks.datasets.class_images.tar_files import index_tar, read_tar
from tasks.datasets.class_images.zip_files import read_zip
from tasks.images import ImageSource
from tasks.labels import LabelMap

Split = Literal["train", "val"]
KINDS = (
    "a folder of class folders, a .zip or .tar of them, ImageNet's tree, CIFAR's python archive, a"
    " .csv of files and labels, or .tar shards"
)


@dataclass(frozen=True)
class ClassImages:
    """N images, each with the label of its class."""

    path: Path
    store: Store
    labels: NDArray[np.int64]  # (N,)
    label_map: LabelMap
    warnings: tuple[str, ...]
    """Images that were left out, and classes without images."""

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return the name of image 0..N-1 in messages and results."""
        return self.store.name(index)

    def read(self, index: int) -> ImageSource:
        """Return image 0..N-1 as `tasks.images.decode` takes it."""
        return self.store.read(index)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "ClassImages":
        """Return these images, with all classes."""
        places = np.asarray(indices, dtype=np.int64)
        store = PartOfStore(self.store, places)
        return replace(self, store=store, labels=self.labels[places])

    def relabelled(self, label_map: LabelMap) -> "ClassImages":
        """Return the images with the labels of a label map that has all of their classes."""
        places = {name: label for label, name in enumerate(label_map.names)}
        labels = np.array([places[name] for name in self.label_map.names], dtype=np.int64)
        return replace(self, labels=labels[self.labels], label_map=label_map)


def read_class_images(
    path: str | Path, split: Split, label_map: LabelMap | None = None
) -> ClassImages:
    """Read the images and classes at `path`; `split` chooses among CIFAR's files.

    With `label_map` (from training or a checkpoint), classes take its labels by name. Raises
    UserError for damaged data, an unknown kind of data, and a class that it does not have.
    """
    path = Path(path)
    listing = _read(path, split)
    classes = LabelMap(listing.classes, listing.classes) if label_map is None else label_map
    listing = label_as(classes, listing, path)
    warnings = tuple(f"{path}: {text}" for text in listing.warnings)
    return ClassImages(path, listing.store, listing.labels, classes, warnings)


def _read(path: Path, split: Split) -> Listing:
    """List the images with the reader for the path's kind."""
    refuse_remote(str(path))
    if is_pattern(path):
        return read_shards(path, find_shards(path))
    if not path.exists():
        raise UserError(f"no data at {path}; give {KINDS}")
    cifar = find_cifar(path)
    if cifar is not None:
        return read_cifar(path, cifar, split)
    return _read_folder(path) if path.is_dir() else _read_file(path)


def _read_folder(path: Path) -> Listing:
    """Tell the kind of a folder by its content."""
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    if any(entry.is_dir() for entry in entries):
        return read_folders(path)
    if any(entry.suffix == ".tar" for entry in entries):
        return read_shards(path, find_shards(path / "*.tar"))
    return read_flat(path)


def _read_file(path: Path) -> Listing:
    """Tell the kind of a file by its name; a tar with labels beside its images is a shard."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return read_zip(path)
    if suffix == ".csv":
        return read_csv_list(path)
    if not is_named_as_tar(path):
        raise UserError(f"data must be {KINDS}, got {path}; give one of them")
    members = index_tar(path)
    if any(name.endswith(".cls") for name in members.names):
        return read_shards(path, [path])
    return read_tar(path, members)
