"""Read COCO JSON into packed arrays, so that memory does not grow with loader workers.

N images, M objects, K classes.  Boxes are COCO's (x, y, width, height) in pixels; sizes are
(height, width).  Inside, images are numbered 1..N in the order of their ids and classes 0..K-1; ids
of the file appear at input and output only.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.checks.images import ListedImage, find_image_problems, read_files
from tasks.datasets.coco.categories import read_classes
from tasks.datasets.coco.ids import file_id
from tasks.datasets.coco.json_file import Record, read_json, without_collection
from tasks.datasets.coco.masks import check_mask
from tasks.datasets.coco.objects import parse_objects
from tasks.datasets.coco.sizes import annotated_size, image_file_name
from tasks.datasets.findings import SHOWN, only_errors
from tasks.datasets.fingerprint import DIGITS, Fingerprint, hash_parts, hash_sample
from tasks.datasets.packed import PackedValues
from tasks.errors import DataError, errors_of
from tasks.images import Exif
from tasks.labels import FileId, LabelMap


@dataclass(frozen=True)
class CocoDataset:
    """A data set as arrays; objects of image i are rows first[i] to first[i + 1]."""

    path: Path  # the JSON file
    image_root: Path  # folder that file names are relative to
    label_map: LabelMap
    image_ids: NDArray[np.int64]  # (N,) 1..N
    original_ids: Sequence[FileId]  # (N,) image ids of the file
    file_names: Sequence[FileId]  # (N,)
    sizes: NDArray[np.int32]  # (N, 2) by the annotations
    first: NDArray[np.int64]  # (N + 1,)
    boxes: NDArray[np.float64]  # (M, 4) as in the file
    labels: NDArray[np.int64]  # (M,)
    crowd: NDArray[np.bool_]  # (M,)
    areas: NDArray[np.float64]  # (M,) square pixels, of the mask if the file says so
    places: NDArray[np.int64]  # (M,) index in the file's list of annotations
    warnings: tuple[str, ...]  # corrections and omissions, with counts and examples
    absent: frozenset[int] = frozenset()  # labels of the label map without a category here

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def contents(self) -> str:
        """Its contents in words."""
        classes = self.label_map.num_classes
        return f"{len(self)} images, {len(self.labels)} objects, {classes} classes"

    def objects(self, index: int) -> slice:
        """Return the rows of the objects of image 0..N-1."""
        return slice(int(self.first[index]), int(self.first[index + 1]))

    def image_path(self, index: int) -> Path:
        """Return the file of image 0..N-1."""
        return self.image_root / str(self.file_names[index])


def read_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = False,
    check_masks: bool = False,
    exif: Exif = "apply",
) -> CocoDataset:
    """Read a COCO instances file; `images` is the folder of its file names, None the file's own.

    Images are sorted by id. With `label_map` (a checkpoint's), categories take its labels by name;
    categories and classes that do not match are in `warnings`. `check_sizes` compares every image
    file's header with the annotations; `check_masks` checks that every mask can be decoded. Raises
    UserError naming the malformed entry, or the files that are missing or of another size.
    """
    path = Path(annotations)
    image_root = Path(images) if images is not None else path.parent
    with without_collection():
        content = read_json(path)
        with errors_of(path):
            dataset = _parse(content, path, image_root, label_map, exif)
            if check_masks:
                _check_masks(dataset, content["annotations"])
    if check_sizes:
        _check_sizes(dataset, exif)
    return dataset


def first_images(dataset: CocoDataset, count: int) -> CocoDataset:
    """Return the first `count` images by id, or all, with their objects and all classes."""
    count = min(count, len(dataset))
    objects = slice(0, int(dataset.first[count]))
    return replace(
        dataset,
        image_ids=dataset.image_ids[:count],
        original_ids=PackedValues(dataset.original_ids[:count]),
        file_names=PackedValues(dataset.file_names[:count]),
        sizes=dataset.sizes[:count],
        first=dataset.first[: count + 1],
        boxes=dataset.boxes[objects],
        labels=dataset.labels[objects],
        crowd=dataset.crowd[objects],
        areas=dataset.areas[objects],
        places=dataset.places[objects],
    )


def read_segmentations(dataset: CocoDataset) -> PackedValues:
    """Read polygons or run lengths of the M objects as JSON texts.

    They are read from the file again, as they are rarely needed.
    """
    records = read_json(dataset.path)["annotations"]
    masks = (records[index].get("segmentation") for index in dataset.places.tolist())
    return PackedValues([json.dumps(mask) for mask in masks])


def read_annotation_ids(dataset: CocoDataset, rows: Sequence[int]) -> list[FileId | None]:
    """Read the ids of some of the M objects from the file again; None for one without an id."""
    if not rows:
        return []
    records = read_json(dataset.path)["annotations"]
    return [file_id(records[place].get("id")) for place in dataset.places[list(rows)].tolist()]


def _parse(
    content: Mapping[str, Any], path: Path, image_root: Path, wanted: LabelMap | None, exif: Exif
) -> CocoDataset:
    for name in ("images", "categories"):
        if not content[name]:
            raise empty_list(name)
    images = sorted_by_id(content["images"], "image")
    categories = sorted_by_id(content["categories"], "category")
    classes = read_classes(categories, content["annotations"], wanted, str(path))
    rows = [annotated_size(record, image_root, exif) for record in images]
    sizes = np.array(rows, dtype=np.int32).reshape(-1, 2)
    positions = {record["id"]: index for index, record in enumerate(images)}
    objects = parse_objects(content["annotations"], positions, classes.labels, sizes)
    file_names = [image_file_name(record) for record in images]
    _check_file_names(images, file_names)
    known = set(classes.labels.values())
    return CocoDataset(
        path=path,
        image_root=image_root,
        label_map=classes.label_map,
        image_ids=np.arange(1, len(images) + 1),
        original_ids=PackedValues(list(positions)),
        file_names=PackedValues(file_names),
        sizes=sizes,
        first=np.searchsorted(objects.images, np.arange(len(images) + 1)),
        boxes=objects.boxes,
        labels=objects.labels,
        crowd=objects.crowd,
        areas=objects.areas,
        places=objects.places,
        warnings=classes.warnings + objects.warnings,
        absent=frozenset(range(classes.label_map.num_classes)) - known,
    )


def empty_list(name: str) -> DataError:
    """Make the error for an empty list of images or categories."""
    return DataError(f"a data set needs {name}, got an empty list", "check how the file was made")


def missing_id(record: object, kind: str) -> DataError:
    """Make the error for an image or a category without an id."""
    rule = f"every {kind} needs an id that is a whole number or a text, got {repr(record)[:80]}"
    return DataError(rule, f"give it one or remove the {kind}")


def sorted_by_id(records: Sequence[Record], kind: str) -> list[Record]:
    """Records in the order of their ids, whole numbers before texts; ids must be unique."""
    known: list[Record] = []
    for record in records:
        value = file_id(record.get("id")) if isinstance(record, Mapping) else None
        if value is None:
            raise missing_id(record, kind)
        known.append(record if record["id"] is value else {**record, "id": value})
    ordered = sorted(known, key=lambda record: (isinstance(record["id"], str), record["id"]))
    for record, following in pairwise(ordered):
        if record["id"] == following["id"]:
            rule = f"{kind} ids must be unique, got {record['id']!r} twice"
            both = f"{kind} {record['id']!r} ({record!r} and {following!r})"
            raise DataError(rule, "renumber one", both)
    return ordered


def _check_file_names(images: Sequence[Record], names: Sequence[str]) -> None:
    """Raise DataError for two images with one file; each lacks the other's objects."""
    owners: dict[str, Record] = {}
    for record, name in zip(images, names, strict=True):
        earlier = owners.setdefault(os.path.normpath(name), record)
        if earlier is not record:
            raise shared_file(name, earlier["id"], f"image {record['id']!r}")


def shared_file(name: str, earlier: FileId, record: str = "") -> DataError:
    """Make the error for an image with the same file as an earlier image."""
    rule = f"a file must belong to one image, {name} is also the file of image {earlier!r}"
    return DataError(rule, "merge the two, as each has the other's objects as background", record)


def _check_masks(dataset: CocoDataset, records: Sequence[Record]) -> None:
    """Raise DataError for a mask that cannot be decoded; none is decoded."""
    sizes = np.repeat(dataset.sizes, np.diff(dataset.first), axis=0)  # (M, 2)
    for place, (height, width) in zip(dataset.places.tolist(), sizes.tolist(), strict=True):
        name = f"annotation {records[place].get('id', '(without id)')!r}"
        check_mask(records[place], height, width, name)


def _check_sizes(dataset: CocoDataset, exif: Exif) -> None:
    """Raise UserError with the first images that are missing or of another size."""
    sizes = dataset.sizes.tolist()
    listed: list[ListedImage] = []
    for index, image in enumerate(dataset.original_ids):
        height, width = sizes[index]
        path = dataset.image_path(index)
        listed.append(ListedImage(record=f"image {image!r}", path=path, size=(height, width)))
    files = read_files(listed, exif, pixels=False)
    problems = only_errors(find_image_problems(files, exif))
    if problems:
        shown = "\n  ".join(problem.sentence for problem in problems[:SHOWN])
        raise UserError(
            f"{dataset.path}: image files must exist and have the annotated size, {len(problems)}"
            f" of {len(dataset)} do not:\n  {shown}"
        )


def fingerprint(dataset: CocoDataset, *, with_masks: bool = False) -> Fingerprint:
    """Compute a fingerprint, so that a resume on other data is refused.

    Paths do not count, and outlines only if masks are used.
    """
    digest = hashlib.sha256()
    for array in (dataset.sizes, dataset.first, dataset.boxes, dataset.labels, dataset.crowd):
        digest.update(array.tobytes())
    found: Fingerprint = {
        "images": len(dataset),
        "objects": len(dataset.labels),
        "sha256": digest.hexdigest()[:DIGITS],
        "names": hash_parts(str(name).encode() for name in dataset.file_names),
        "pixels": hash_sample(len(dataset), dataset.image_path),
    }
    if with_masks:
        found["masks"] = hash_parts(str(text).encode() for text in read_segmentations(dataset))
    return found
