"""Folders of images and masks as a data set.  N images; sizes are (height, width)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.checks.images import (
    THREADS,
    ImageFile,
    ListedImage,
    find_image_problems,
    read_files,
    read_in_threads,
)
from tasks.datasets.findings import Finding, Severity, only_errors
from tasks.datasets.packed import PackedValues
from tasks.datasets.semantic.built_in import BUILT_IN
from tasks.datasets.semantic.classes import ClassList
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.datasets.semantic.layout import Place
from tasks.datasets.semantic.lookup import Lookup, make_lookup, without_colours
from tasks.datasets.semantic.opened import Opened, mask_size_error
from tasks.datasets.semantic.pairs import Pair, pair_files
from tasks.errors import DataError
from tasks.images import Exif, Labels, opened, stored_values
from tasks.labels import FileId, LabelMap

FIRST = 8
"""Number of masks whose headers are read if not all are."""
_PLAIN = ("1", "L", "LA", "P", "PA", "I", "I;16", "I;16B", "F")  # of one value a pixel


@dataclass(frozen=True)
class MaskFiles:
    """Reads labels from files of masks."""

    folder: Path
    names: Sequence[FileId]  # (N,)
    sizes: NDArray[np.int32]  # (N, 2)
    lookup: Lookup

    def __call__(self, index: int) -> Labels:
        """The labels of an image; errors as ReadLabels says."""
        path = self.file(index)
        stored = stored_values(path)
        expected = (int(self.sizes[index, 0]), int(self.sizes[index, 1]))
        if stored.shape[:2] != expected:
            raise mask_size_error(path, stored.shape, expected)
        return self.lookup.read(stored, path)

    def file(self, index: int) -> Path:
        """The mask of an image."""
        return self.folder / str(self.names[index])


@dataclass(frozen=True)
class _Header:
    """Header of a mask."""

    size: tuple[int, int]
    mode: str
    format: str | None
    palette: bytes | None
    """Red, green and blue of each value of the palette."""


def open_folders(
    place: Place, classes: ClassList, wanted: LabelMap | None, exif: Exif, *, every: bool
) -> Opened:
    """Pair the images and masks of two folders, and read their headers.

    Those of all images, and of all masks or the first. Pairs whose image cannot be read are left
    out. Raises UserError for an empty folder, and OtherClassesError.
    """
    read, lookup = make_lookup(classes, wanted)
    train_ids = classes.source == BUILT_IN["cityscapes_train_ids"].source
    pairing = pair_files(place, train_ids=train_ids)
    listed = [_listed(place, pair) for pair in pairing.pairs]
    files = read_files(listed, exif, pixels=False)
    problems = only_errors(find_image_problems(files, exif))
    pairs: list[Pair] = []
    readable: list[ImageFile] = []
    for pair, file in zip(pairing.pairs, files, strict=True):
        if file.size is not None:
            pairs.append(pair)
            readable.append(file)
    dataset = _dataset(place, pairs, readable, read.label_map, read.warnings, lookup)
    checked = range(len(pairs) if every else min(FIRST, len(pairs)))
    headers = list(read_in_threads(partial(_read_header, dataset), checked, THREADS, None))
    problems += _find_mask_problems(dataset, lookup, readable, headers, exif)
    warnings = (*dataset.warnings, *_tell_of_palettes(dataset, headers))
    return Opened(replace(dataset, warnings=warnings), [*pairing.findings, *problems])


def _listed(place: Place, pair: Pair) -> ListedImage:
    return ListedImage(record=pair.image, path=place.images / pair.image, size=None)


def _dataset(
    place: Place,
    pairs: Sequence[Pair],
    files: Sequence[ImageFile],
    label_map: LabelMap,
    warnings: tuple[str, ...],
    lookup: Lookup,
) -> SemanticDataset:
    """Make a data set of the pairs; `files` holds the headers of the images."""
    images = PackedValues([pair.image for pair in pairs])
    masks = PackedValues([pair.mask for pair in pairs])
    sizes = np.array([file.size for file in files], dtype=np.int32).reshape(-1, 2)
    return SemanticDataset(
        path=place.masks,
        image_root=place.images,
        label_map=label_map,
        image_ids=np.arange(1, len(pairs) + 1),
        original_ids=images,
        file_names=images,
        sizes=sizes,
        read_labels=MaskFiles(place.masks, masks, sizes, lookup),
        warnings=warnings,
    )


def _find_mask_problems(
    dataset: SemanticDataset,
    lookup: Lookup,
    images: Sequence[ImageFile],
    headers: Sequence[_Header | DataError],
    exif: Exif,
) -> Iterator[Finding]:
    """Yield the problems that the headers of the first masks show."""
    for index, header in enumerate(headers):
        path = dataset.read_labels.file(index)
        if isinstance(header, DataError):
            yield of_mask("unreadable mask", dataset, index, header)
            continue
        if header.format == "JPEG":
            rule = f"{path}: a mask must be saved without loss, got JPEG, which changes values"
            error = DataError(rule, "export it again as PNG")
            yield of_mask("lossy mask", dataset, index, error)
        elif header.mode not in _PLAIN and lookup.colours is None:
            error = without_colours(path, lookup.source)
            yield of_mask("colours without a table", dataset, index, error)
        image = images[index]
        if image.size is not None and header.size != image.size:
            turned = exif if image.turned else None
            error = mask_size_error(path, header.size, image.size, turned)
            yield of_mask("size mismatch", dataset, index, error)


def _tell_of_palettes(
    dataset: SemanticDataset, headers: Sequence[_Header | DataError]
) -> Iterator[str]:
    """Say which palettes give a value another colour than the first one does.

    Programs that save few colours make a palette for each picture, and the values depend on it.
    """
    coloured = [
        (index, header.palette)
        for index, header in enumerate(headers)
        if isinstance(header, _Header) and header.palette
    ]
    if not coloured:
        return
    first, palette = coloured[0]
    others = [index for index, found in coloured if _differ(palette, found)]
    if others:
        name = dataset.read_labels.file(others[0]).name
        yield (
            f"{len(others)} of {len(coloured)} masks have another palette than"
            f" {dataset.read_labels.file(first).name}, the first is {name}; values are read, not"
            " colours: if the colours are right, save the masks as RGB and give the classes colours"
        )


def _differ(one: bytes, other: bytes) -> bool:
    """Whether two palettes give a value that both have other colours."""
    both = min(len(one), len(other))
    return one[:both] != other[:both]


def _read_header(dataset: SemanticDataset, index: int) -> _Header | DataError:
    try:
        with opened(dataset.read_labels.file(index), "ignore") as mask:
            stored = mask.stored
            palette = stored.getpalette("RGB") if stored.mode == "P" else None
            colours = None if palette is None else bytes(palette)
            return _Header(mask.size, stored.mode, stored.format, colours)
    except DataError as error:
        return error


def of_mask(
    kind: str,
    dataset: SemanticDataset,
    index: int,
    error: DataError,
    severity: Severity = "error",
) -> Finding:
    """Make the finding about wrong labels of an image."""
    return Finding(
        kind=kind,
        severity=severity,
        file=str(dataset.read_labels.file(index)),
        record=str(dataset.file_names[index]),
        rule=error.rule,
        way_out=error.way_out,
        image=dataset.image_path(index),
    )
