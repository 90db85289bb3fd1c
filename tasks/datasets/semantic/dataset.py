"""A data set with a class for every pixel.  N images; sizes are (height, width) in pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.fingerprint import DIGITS, Fingerprint, hash_sample
from tasks.datasets.packed import PackedValues
from tasks.datasets.spread import spread_evenly
from tasks.images import Exif, Labels, Pixels, decode
from tasks.labels import IGNORED, FileId, LabelMap

MOST_CLASSES = IGNORED
"""Largest number of classes in a mask of bytes, besides ignored pixels."""
READ_AT_THE_START = 500  # images; some seconds


class ReadLabels(Protocol):
    """Reads the labels of an image; picklable, as loader workers use it."""

    def __call__(self, index: int) -> Labels:
        """The labels of image 0..N-1 at its original size, in the orientation of the stored file.

        UserError naming a file that is missing, damaged, of another size than the image, or that
        holds a value which is neither a class nor ignored.
        """

    def file(self, index: int) -> Path:
        """The file that the labels of an image are read from."""


@dataclass(frozen=True)
class SemanticDataset:
    """Images in order, their files, and the reader of their labels."""

    path: Path  # what messages call the data set: a JSON file or a folder of masks
    image_root: Path  # folder that file names are relative to
    label_map: LabelMap
    image_ids: NDArray[np.int64]  # (N,) 1..N
    original_ids: Sequence[FileId]  # (N,) ids of the file, or the file names again
    file_names: Sequence[FileId]  # (N,)
    sizes: NDArray[np.int32]  # (N, 2)
    read_labels: ReadLabels
    warnings: tuple[str, ...] = ()  # what was corrected or left out, with counts and examples

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def contents(self) -> str:
        """Description of the contents."""
        return f"{len(self)} images, {self.label_map.num_classes} classes"

    def image_path(self, index: int) -> Path:
        """Return the file of image 0..N-1."""
        return self.image_root / str(self.file_names[index])


def read_pair(dataset: SemanticDataset, index: int, exif: Exif) -> tuple[Pixels, Labels]:
    """Read an image (H, W, 3) and its labels (H, W); UserError if their sizes differ."""
    path = dataset.image_path(index)
    pixels = decode(path, exif)
    labels = dataset.read_labels(index)
    if pixels.shape[:2] != labels.shape:
        height, width = pixels.shape[:2]
        file = dataset.read_labels.file(index)
        rule = f"an image and its labels must have one size, got {width}x{height} in {path} and"
        seen = f"{labels.shape[1]}x{labels.shape[0]} in {file}"
        way_out = "make the labels again, or set data.exif=ignore if they follow the stored image"
        raise UserError(f"{rule} {seen}; {way_out}")
    return pixels, labels


def check_labels(dataset: SemanticDataset) -> None:
    """Raise UserError if labels of an image cannot be read, or if every pixel of all images is
    ignored.

    Reads at most 500 images, spread evenly, and further ones only while no pixel counts; `backbones
    check` reads all.
    """
    first = spread_evenly(len(dataset), READ_AT_THE_START)
    counts = [_has_class(dataset, index) for index in first]
    if any(counts) or any(_has_class(dataset, index) for index in range(len(dataset))):
        return
    rule = f"{dataset.path} must hold pixels of a class, got ignored pixels only"
    raise UserError(f"{rule} in {len(dataset)} images; check data.classes and data.ignore")


def _has_class(dataset: SemanticDataset, index: int) -> bool:
    return bool((dataset.read_labels(index) != IGNORED).any())


def first_images(dataset: SemanticDataset, count: int) -> SemanticDataset:
    """Return the first `count` images, or all."""
    count = min(count, len(dataset))
    return replace(
        dataset,
        image_ids=dataset.image_ids[:count],
        original_ids=PackedValues(dataset.original_ids[:count]),
        file_names=PackedValues(dataset.file_names[:count]),
        sizes=dataset.sizes[:count],
    )


def fingerprint(dataset: SemanticDataset) -> Fingerprint:
    """Compute a fingerprint, so that a resume on other data is refused; paths do not count."""
    digest = hashlib.sha256(dataset.sizes.tobytes())
    for name in dataset.file_names:
        digest.update(str(name).encode())
    for name in dataset.label_map.names:
        digest.update(name.encode())
    return {
        "images": len(dataset),
        "sha256": digest.hexdigest()[:DIGITS],
        "pixels": hash_sample(len(dataset), dataset.image_path),
        "masks": hash_sample(len(dataset), dataset.read_labels),
    }
