"""WebDataset shards: tars of samples.  The files of a sample share a name up to the first dot.

N samples, K classes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from tasks.datasets.class_images.archive_files import ArchiveFiles
from tasks.datasets.class_images.listing import Listing, check_class_names
from tasks.datasets.class_images.tar_files import TarMembers, TarStore, index_tar
from tasks.datasets.packed import PackedValues
from tasks.datasets.text_files import read_text
from tasks.errors import DataError

T = TypeVar("T")
IMAGES = ("jpg", "jpeg", "png", "webp")
LABELS = ("cls", "json")
CLASS_NAMES = "classes.txt"
_MOST_CLASSES = 1_000_000  # a larger label is a mistake


@dataclass
class _Samples:
    """The samples of all shards, in their order."""

    names: list[str] = field(default_factory=list)
    tars: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)


def read_shards(path: Path, shards: Sequence[Path]) -> Listing:
    """List the samples of the shards at `path`.

    Names of classes are the lines of `classes.txt` beside the shards, otherwise the numbers.
    Raises DataError naming a sample without an image or label, or a damaged shard.
    """
    files = ArchiveFiles.of(shards)
    samples = _Samples()
    for number, shard in enumerate(shards):
        members = index_tar(shard)
        for key, parts in _group(shard, members).items():
            image, label = image_and_label(shard, key, parts)
            samples.names.append(members.names[image])
            samples.tars.append(number)
            samples.offsets.append(members.offsets[image])
            samples.sizes.append(members.sizes[image])
            content = files.read(number, members.offsets[label], members.sizes[label])
            samples.labels.append(read_label(shard, members.names[label], content))
    if not samples.names:
        rule = f"shards must hold samples, KEY.jpg with KEY.cls, got none in {path}"
        raise DataError(rule, "give shards that do, or class folders")
    store = TarStore(
        files=files,
        names=PackedValues(samples.names),
        tars=np.array(samples.tars, dtype=np.int32),
        offsets=np.array(samples.offsets, dtype=np.int64),
        sizes=np.array(samples.sizes, dtype=np.int64),
    )
    classes = _class_names(shards[0].parent / CLASS_NAMES, max(samples.labels))
    return Listing(store, classes, np.array(samples.labels, dtype=np.int64))


def _group(shard: Path, members: TarMembers) -> dict[str, dict[str, int]]:
    """Return the places of each sample's files by key and ending."""
    samples: dict[str, dict[str, int]] = {}
    for place, name in enumerate(members.names):
        folder, _, file = name.rpartition("/")
        key, _, ending = file.partition(".")
        ending = ending.lower()
        if not key or ending not in (*IMAGES, *LABELS):
            continue
        sample = samples.setdefault(f"{folder}/{key}", {})
        if ending in sample:
            rule = f"names in a shard must be unique, got {name!r} twice in {shard}"
            raise DataError(rule, "write the shard again")
        sample[ending] = place
    return samples


def image_and_label(shard: Path | str, key: str, parts: Mapping[str, T]) -> tuple[T, T]:
    """Return a sample's image part and its label part, `.cls` before `.json`.

    Raises DataError if one is missing, and for several images.
    """
    images = [parts[ending] for ending in IMAGES if ending in parts]
    labels = [parts[ending] for ending in LABELS if ending in parts]
    if len(images) == 1 and labels:
        return images[0], labels[0]
    rule = f"a sample must be one of {', '.join(IMAGES)} with .cls, or .json with a label"
    seen = f"{key.removeprefix('/')} in {shard} is {', '.join(parts)}"
    raise DataError(f"{rule}; {seen}", "write the shard again")


def read_label(shard: Path | str, name: str, content: bytes) -> int:
    """Read the label in a file: its text, or the entry of its JSON; DataError for anything else."""
    label: object = None
    try:
        label = json.loads(content)  # a number is also JSON
    except ValueError:
        label = content[:80]
    if isinstance(label, dict):
        label = label.get("label")
    if type(label) is int and 0 <= label < _MOST_CLASSES:
        return label
    rule = f"a label must be a whole number from 0, got {label!r} in {name} of {shard}"
    raise DataError(rule, "write the shard again")


def _class_names(file: Path, largest: int) -> tuple[str, ...]:
    """Return the class names: the lines of the file if it exists, otherwise the numbers."""
    if not file.is_file():
        return tuple(str(label) for label in range(largest + 1))
    lines = read_text(file, "the names of classes").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    check_class_names(file, names)
    if largest >= len(names):
        rule = f"{file} must name every class, one a line, got {len(names)} names and the label"
        raise DataError(f"{rule} {largest}", "complete it, or remove it to use the numbers")
    return names
