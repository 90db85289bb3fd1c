"""COCO JSON read into packed arrays, so that memory does not grow with loader workers.

N images, M objects, K classes.  Boxes are COCO's (x, y, width, height) in pixels; sizes are
(height, width).  Inside, images are numbered 1..N in the order of their ids and classes 0..K-1; ids
of the file appear at input and output only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.json_file import read_json, without_collection
from tasks.datasets.coco.objects import Record, parse_objects
from tasks.datasets.coco.sizes import annotated_size, find_size_problems, image_file_name, writable
from tasks.datasets.packed import PackedValues
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
    areas: NDArray[np.float64]  # (M,) square pixels, of the mask where the file says so
    places: NDArray[np.int64]  # (M,) place among the file's annotations
    warnings: tuple[str, ...]  # what was mended or left out, with counts and examples
    absent: frozenset[int] = frozenset()  # labels of the label map that are no category of the file

    def __len__(self) -> int:
        return len(self.image_ids)

    def objects(self, index: int) -> slice:
        """Rows of the objects of the image at a place 0..N-1."""
        return slice(int(self.first[index]), int(self.first[index + 1]))

    def image_path(self, index: int) -> Path:
        """File of the image at a place 0..N-1."""
        return self.image_root / str(self.file_names[index])


def read_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = False,
    exif: Exif = "apply",
) -> CocoDataset:
    """Read a COCO instances file; `images` is the folder of its file names, the file's own folder
    when None.

    Images are sorted by id. With `label_map` (a checkpoint's), categories take its labels by name;
    what the two lack of each other is in `warnings`. `check_sizes` compares every image file's
    header with the annotations. Raises UserError naming the entry that cannot be understood, and
    the files that are missing or of another size.
    """
    path = Path(annotations)
    with without_collection():
        content = read_json(path)
        try:
            dataset = _parse(
                content, path, Path(images) if images is not None else path.parent, label_map, exif
            )
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    if check_sizes:
        _check_sizes(dataset, exif)
    return dataset


def first_images(dataset: CocoDataset, count: int) -> CocoDataset:
    """The data set's first `count` images by id, or all where it has fewer, with their objects and
    all classes.
    """
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
    """Polygons or run lengths of the M objects as JSON texts, from the file, as few who read a data
    set need them.
    """
    records = read_json(dataset.path)["annotations"]
    return PackedValues(
        [json.dumps(records[place].get("segmentation")) for place in dataset.places.tolist()]
    )


def _parse(
    content: Mapping[str, Any], path: Path, image_root: Path, wanted: LabelMap | None, exif: Exif
) -> CocoDataset:
    for kind in ("images", "categories"):
        if not content[kind]:
            raise UserError(
                f"a data set needs {kind}, got an empty list; check how the file was made"
            )
    images, listed = (
        _sorted_by_id(content["images"], "image"),
        _sorted_by_id(content["categories"], "category"),
    )
    categories, dropped = _without_heading(listed, content["annotations"])
    label_map, labels, notes = _labels(categories, wanted)
    sizes = np.array(
        [annotated_size(record, image_root, exif) for record in images], dtype=np.int32
    ).reshape(-1, 2)
    positions = {record["id"]: place for place, record in enumerate(images)}
    objects = parse_objects(content["annotations"], positions, labels, sizes)
    return CocoDataset(
        path=path,
        image_root=image_root,
        label_map=label_map,
        image_ids=np.arange(1, len(images) + 1),
        original_ids=PackedValues([record["id"] for record in images]),
        file_names=PackedValues([image_file_name(record) for record in images]),
        sizes=sizes,
        first=np.searchsorted(objects.images, np.arange(len(images) + 1)),
        boxes=objects.boxes,
        labels=objects.labels,
        crowd=objects.crowd,
        areas=objects.areas,
        places=objects.places,
        warnings=dropped + notes + objects.warnings,
        absent=frozenset(range(label_map.num_classes)) - set(labels.values()),
    )


def _sorted_by_id(records: Sequence[Record], kind: str) -> list[Record]:
    """Records in the order of their ids, whole numbers before texts; ids must be unique."""
    for record in records:
        if not isinstance(record, Mapping) or not isinstance(record.get("id"), int | str):
            raise UserError(
                f"every {kind} needs an id that is a whole number or a text, got {record!r}"
            )
    ordered = sorted(records, key=lambda record: (isinstance(record["id"], str), record["id"]))
    for one, other in pairwise(ordered):
        if one["id"] == other["id"]:
            raise UserError(
                f"{kind} ids must be unique, got {one['id']!r} twice ({one!r} and {other!r});"
                " renumber one"
            )
    return ordered


def _labels(
    categories: Sequence[Record], wanted: LabelMap | None
) -> tuple[LabelMap, dict[Any, int | None], tuple[str, ...]]:
    """The label map, the label of each category id (None to leave out), and what to warn of."""
    names, notes = _unique_names(categories)
    own = LabelMap(tuple(record["id"] for record in categories), names)
    if wanted is None:
        return own, {category: label for label, category in enumerate(own.category_ids)}, notes
    if own.num_classes and not set(names) & set(wanted.names):
        raise UserError(
            f"no category has a name of the label map: got {_few(names)}, expected"
            f" {_few(wanted.names)}"
        )
    missing = [name for name in wanted.names if name not in names]
    extra = [name for name in names if name not in wanted.names]
    if missing:
        notes += (f"{len(missing)} classes of the label map are no category here: {_few(missing)}",)
    if extra:
        notes += (f"{len(extra)} categories are no class of the label map: {_few(extra)}",)
    place = {name: label for label, name in enumerate(wanted.names)}
    labels = {
        category: place.get(name) for category, name in zip(own.category_ids, names, strict=True)
    }
    return _with_ids_of(wanted, own), labels, notes


def _without_heading(
    categories: Sequence[Record], annotations: Sequence[Record]
) -> tuple[Sequence[Record], tuple[str, ...]]:
    """The categories without the one that Roboflow adds as a heading: all others are below it, it
    is below none.
    """
    for record in categories:
        below = [other for other in categories if other is not record]
        is_heading = (
            record.get("supercategory") == "none" and isinstance(record.get("name"), str) and below
        )
        if not is_heading or any(
            other.get("supercategory") != record.get("name") for other in below
        ):
            continue
        if all(
            not isinstance(one, Mapping) or one.get("category_id") != record["id"]
            for one in annotations
        ):
            note = (
                f"category {record['id']!r}, {record.get('name')!r}, has no object and is the"
                " heading of all others"
            )
            return below, (f"{note}; it was left out, as Roboflow's exports add it",)
    return categories, ()


def _unique_names(categories: Sequence[Record]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Category names, those that repeat an earlier one with their id added, and a warning of each
    such.
    """
    names: list[str] = []
    notes: list[str] = []
    for record in categories:
        name = writable(str(record.get("name", record["id"])), "category name")
        if name in names:
            notes.append(
                f"two categories are called {name!r}; the one with id {record['id']!r} is now"
                f" {name} ({record['id']})"
            )
            name = f"{name} ({record['id']})"
        names.append(name)
    return tuple(names), tuple(notes)


def _with_ids_of(wanted: LabelMap, own: LabelMap) -> LabelMap:
    """The wanted classes under this file's ids; one that the file lacks keeps its id or, if taken,
    its name.
    """
    by_name = dict(zip(own.names, own.category_ids, strict=True))
    pairs = zip(wanted.names, wanted.category_ids, strict=True)
    ids = tuple(
        by_name.get(name, name if category in own.category_ids else category)
        for name, category in pairs
    )
    return replace(wanted, category_ids=ids)


def _few(values: Sequence[str], limit: int = 8) -> str:
    return ", ".join(values[:limit]) + (
        f", … ({len(values)} in all)" if len(values) > limit else ""
    )


def _check_sizes(dataset: CocoDataset, exif: Exif) -> None:
    """Raise UserError with the first images that are missing or of another size."""
    paths = map(dataset.image_path, range(len(dataset)))
    sizes = [(height, width) for height, width in dataset.sizes.tolist()]
    problems = find_size_problems(paths, sizes, exif)
    if problems:
        shown = "\n  ".join(problems[:3])
        raise UserError(
            f"{dataset.path}: image files must exist and have the annotated size, {len(problems)}"
            f" of {len(dataset)} do not:\n  {shown}"
        )
