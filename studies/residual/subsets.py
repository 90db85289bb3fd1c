"""The images of a study, as zip files of class folders for any layout of the data set.

A part of a split is drawn once; it is the same for every network, seed and study.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.datasets.class_images.layout import locate_class_images
from tasks.engine.randomness import mix_keys
from tasks.files import AtomicFile, write_text
from tasks.images import ImageSource, decode

Split = Literal["train", "val"]
_PART = -3  # in place of the epoch, which counts from 0
_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever they are written


@dataclass(frozen=True)
class Archive:
    """A zip of class folders, and its number of images."""

    path: Path
    images: int


@dataclass(frozen=True)
class StudyImages:
    """A data set at `root`, and the folder of the archives made of it."""

    root: Path
    folder: Path

    def archive(self, split: Split, count: int | None = None) -> Archive:
        """Archive of all images of a split, or of `count` of them; written if it is missing."""
        whole = self._count(split)
        images = whole if count is None else min(count, whole)
        path = self.folder / f"{split}-{images}.zip"
        if not path.exists():
            _write(_part(self._read(split), images), path)
        return Archive(path, images)

    def pixels(self, split: Split, count: int) -> list[NDArray[np.uint8]]:
        """Read `count` images (H, W, 3) of a split, the same at every call."""
        images = _part(self._read(split), count)
        return [decode(images.read(place)) for place in range(len(images))]

    def _read(self, split: Split) -> ClassImages:
        known = None if split == "train" else self._read("train").label_map
        return read_class_images(locate_class_images(self.root, split), split, known)

    def _count(self, split: Split) -> int:
        """Number of images of a split; UserError if the folder was made of another data set."""
        path = self.folder / f"{split}.json"
        seen = str(locate_class_images(self.root, split).resolve())
        if not path.exists():
            facts = {"path": seen, "images": len(self._read(split))}
            write_text(path, json.dumps(facts) + "\n")
        saved = json.loads(path.read_text())
        if saved["path"] != seen:
            rule = f"a study keeps its data set: {self.folder} was made of {saved['path']}"
            raise UserError(f"{rule}, got {seen}; give that one, or another --out")
        return int(saved["images"])


def _part(images: ClassImages, count: int) -> ClassImages:
    """Draw `count` of the images, kept in their order."""
    keys = mix_keys(0, _PART, np.arange(len(images)))
    chosen = np.argsort(keys, kind="stable")[:count]
    return images.select(np.sort(chosen))


def _write(images: ClassImages, path: Path) -> None:
    """Write a zip of class folders; the files keep their bytes."""
    with AtomicFile(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _files(images):
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)


def _files(images: ClassImages) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the files."""
    for place, label in enumerate(images.labels.tolist()):
        suffix, content = _content(images.read(place), images.name(place))
        yield f"{images.label_map.names[label]}/{place:06d}{suffix}", content


def _content(source: ImageSource, name: str) -> tuple[str, bytes]:
    """Suffix and bytes of an image's file; an array becomes a PNG."""
    if isinstance(source, bytes):
        return PurePosixPath(name).suffix, source
    if isinstance(source, str | Path):
        return Path(source).suffix, Path(source).read_bytes()
    pixels = source if isinstance(source, Image.Image) else Image.fromarray(np.asarray(source))
    stream = io.BytesIO()
    pixels.save(stream, "PNG")
    return ".png", stream.getvalue()
