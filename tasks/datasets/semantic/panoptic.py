"""COCO's panoptic annotations as a data set: a JSON file, and beside it a folder of PNG files.

A pixel's segment is red + 256 green + 65536 blue; 0 is none.  N images, S segments of all images.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.checks.images import ListedImage, find_image_problems, read_files
from tasks.datasets.coco.categories import Classes, read_classes
from tasks.datasets.coco.dataset import empty_list, sorted_by_id
from tasks.datasets.coco.json_file import Record, read_json, without_collection
from tasks.datasets.coco.sizes import annotated_size, image_file_name, writable
from tasks.datasets.findings import only_errors
from tasks.datasets.packed import PackedValues
from tasks.datasets.semantic.codes import Codes, code_table, colour_codes
from tasks.datasets.semantic.dataset import MOST_CLASSES, SemanticDataset
from tasks.datasets.semantic.layout import PanopticClasses, Place
from tasks.datasets.semantic.lookup import label_or_ignored, unknown_values
from tasks.datasets.semantic.opened import Opened, mask_size_error
from tasks.errors import DataError, errors_of
from tasks.images import Exif, Labels, stored_values
from tasks.labels import IGNORED, FileId, LabelMap

THINGS = "things"
"""Name of the class that holds all things if the classes are stuff; its id is 0."""
_MOST_SEGMENTS = 2**24


@dataclass(frozen=True)
class SegmentFiles:
    """Reads labels from PNG files of segments; those of image i are first[i] to first[i + 1]."""

    folder: Path
    names: Sequence[FileId]  # (N,)
    sizes: NDArray[np.int32]  # (N, 2)
    first: NDArray[np.int64]  # (N + 1,)
    segments: Codes  # (S,) ids
    labels: Labels  # (S,)

    def __call__(self, index: int) -> Labels:
        """The labels of an image; errors as ReadLabels says."""
        path = self.file(index)
        stored = stored_values(path)
        if stored.dtype != np.uint8 or stored.ndim != 3 or stored.shape[2] < 3:
            shape = f"{stored.dtype} of shape {stored.shape}"
            rule = f"{path}: segments must be the colours of an RGB image, got {shape}"
            raise DataError(rule, "export it again")
        expected = (int(self.sizes[index, 0]), int(self.sizes[index, 1]))
        if stored.shape[:2] != expected:
            raise mask_size_error(path, stored.shape, expected)
        own = slice(int(self.first[index]), int(self.first[index + 1]))
        table = code_table([0, *self.segments[own]], [IGNORED, *self.labels[own]])
        codes = colour_codes(stored.astype(np.uint8, copy=False))
        labels, unknown = table.look_up(codes)
        if unknown.any():
            rule = f"{path}: every segment must be in segments_info, got {codes[unknown][0]}"
            different = len(np.unique(codes[unknown]))
            raise unknown_values(rule, "add it, or make the PNG again", different)
        return labels

    def file(self, index: int) -> Path:
        """The PNG file of an image."""
        return self.folder / str(self.names[index])


def open_panoptic(
    place: Place, classes: PanopticClasses, wanted: LabelMap | None, exif: Exif, *, every: bool
) -> Opened:
    """Read a file of panoptic annotations, and the headers of all images and PNG files or none.

    Classes are all categories in the order of their ids; or stuff, after a class of all things; or
    things, where stuff is ignored. Segments of other categories are ignored, crowds are not. Raises
    UserError naming the record that cannot be understood, and OtherClassesError.
    """
    path = place.masks
    with without_collection():
        content = read_json(path)
        with errors_of(path):
            dataset = _parse(content, place, classes, wanted, exif)
    if not every:
        return Opened(dataset, [])
    listed: list[ListedImage] = []
    for index, (height, width) in enumerate(dataset.sizes.tolist()):
        record = f"image {dataset.original_ids[index]!r}"
        for file in (dataset.image_path(index), dataset.read_labels.file(index)):
            listed.append(ListedImage(record=record, path=file, size=(height, width)))
    problems = find_image_problems(read_files(listed, exif, pixels=False), exif)
    return Opened(dataset, only_errors(problems))


def _parse(
    content: Mapping[str, Any],
    place: Place,
    classes: PanopticClasses,
    wanted: LabelMap | None,
    exif: Exif,
) -> SemanticDataset:
    for name in ("images", "categories"):
        if not content[name]:
            raise empty_list(name)
    images = sorted_by_id(content["images"], "image")
    categories = sorted_by_id(content["categories"], "category")
    read, labels = _classes(categories, classes, wanted, place.masks)
    owned = _in_order(images, content["annotations"])
    folder = place.masks.with_suffix("")
    if not folder.is_dir():
        rule = f"the PNG files of panoptic annotations must be in {folder}, there is no such folder"
        raise DataError(rule, "unpack them there")
    rows = [annotated_size(record, place.images, exif) for record in images]
    sizes = np.array(rows, dtype=np.int32).reshape(-1, 2)
    segments = [_segments(record, labels) for record in owned]
    flat = np.array([row for rows in segments for row in rows], dtype=np.int64).reshape(-1, 2)
    return SemanticDataset(
        path=place.masks,
        image_root=place.images,
        label_map=read.label_map,
        image_ids=np.arange(1, len(images) + 1),
        original_ids=PackedValues([record["id"] for record in images]),
        file_names=PackedValues([image_file_name(record) for record in images]),
        sizes=sizes,
        read_labels=SegmentFiles(
            folder=folder,
            names=PackedValues([_png_name(record) for record in owned]),
            sizes=sizes,
            first=np.cumsum([0, *map(len, segments)]),
            segments=flat[:, 0].astype(np.uint32),
            labels=flat[:, 1].astype(np.uint8),
        ),
        warnings=read.warnings,
    )


def _classes(
    categories: Sequence[Record],
    classes: PanopticClasses,
    wanted: LabelMap | None,
    path: Path,
) -> tuple[Classes, Mapping[Hashable, int]]:
    """The classes, and the label of each category."""
    things = [record for record in categories if _is_thing(record)]
    stuff = [record for record in categories if not _is_thing(record)]
    chosen = {"all": categories, "things": things, "stuff": [{"id": 0, "name": THINGS}, *stuff]}
    read = read_classes(chosen[classes], [], wanted, str(path))
    if not 1 <= read.label_map.num_classes <= MOST_CLASSES:
        rule = f"there must be 1..{MOST_CLASSES} classes, got {read.label_map.num_classes}"
        raise DataError(rule, "correct data.classes or the categories")
    labels = {category: label_or_ignored(label) for category, label in read.labels.items()}
    if classes == "stuff":
        of_things = labels.pop(0)
        labels.update({record["id"]: of_things for record in things})
    return read, labels


def _is_thing(record: Record) -> bool:
    """Whether a category is a thing; DataError if it does not say."""
    if record.get("isthing") not in (0, 1):
        rule = f"every panoptic category needs isthing 0 or 1, got {record.get('isthing')!r}"
        raise DataError(rule, "add it", f"category {record['id']!r}")
    return bool(record["isthing"])


def _in_order(images: Sequence[Record], annotations: Sequence[Any]) -> list[Record]:
    """The annotations in the order of their images, one for each."""
    owned: dict[Hashable, Record] = {}
    for record in annotations:
        if not isinstance(record, Mapping) or not isinstance(record.get("segments_info"), list):
            rule = f"every panoptic annotation needs segments_info, got {repr(record)[:80]}"
            raise DataError(rule, "check that it is the file of the panoptic annotations")
        image = record.get("image_id")
        if not isinstance(image, int | str) or image in owned:
            rule = f"every image must have one annotation, got another with image_id {image!r}"
            raise DataError(rule, "remove one")
        owned[image] = record
    without = [record["id"] for record in images if record["id"] not in owned]
    if without or len(owned) != len(images):
        seen = f"{len(images)} images, {len(owned)} annotations and none of image {without[:1]}"
        raise DataError(f"every image must have one annotation, got {seen}", "correct the file")
    return [owned[record["id"]] for record in images]


def _png_name(record: Record) -> str:
    """The PNG file of an annotation."""
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        rule = f"every panoptic annotation needs a file_name, got {name!r}"
        raise DataError(rule, "add it", f"the annotation of image {record['image_id']!r}")
    return writable(name, "file_name")


def _segments(record: Record, labels: Mapping[Hashable, int]) -> list[tuple[int, int]]:
    """Id and label of an image's segments."""
    rows: list[tuple[int, int]] = []
    for segment in record["segments_info"]:
        try:
            number = segment["id"]
            label = labels.get(segment["category_id"], IGNORED)
            is_code = type(number) is int and 0 < number < _MOST_SEGMENTS
        except (TypeError, KeyError):
            is_code = False
        if not is_code:
            rule = (
                f"every segment needs an id in 1..{_MOST_SEGMENTS - 1} and a category_id, got"
                f" {repr(segment)[:80]}"
            )
            raise DataError(rule, "correct it", f"the annotation of image {record['image_id']!r}")
        rows.append((number, label))
    return rows
