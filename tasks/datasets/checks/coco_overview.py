"""The overview of a COCO file for a page.  N images, K categories, M objects."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.boxes import to_corners
from tasks.datasets.checks.anchors import AnchorGrid, best_iou
from tasks.datasets.checks.images import ImageFile
from tasks.datasets.checks.overview import Example, ObjectSizes, Overview
from tasks.datasets.checks.records import CheckedObject, Records
from tasks.images import Exif, decode
from tasks.labels import FileId, LabelMap
from tasks.plots import LabelledBoxes


def coco_overview(records: Records, files: Sequence[ImageFile], grid: AnchorGrid) -> Overview:
    """Count and measure the records that training can use; `files` are of `records.images`."""
    label_map = _label_map(records)
    labels = {category: label for label, category in enumerate(label_map.category_ids)}
    objects = [annotation for annotation in records.objects if not annotation.crowd]
    counts = Counter(labels[annotation.category] for annotation in objects)
    by_image: dict[FileId, list[CheckedObject]] = {}
    for annotation in records.objects:
        by_image.setdefault(annotation.image, []).append(annotation)
    readable = [file.size for file in files if file.size is not None]
    shown: list[tuple[ImageFile, list[CheckedObject]]] = []
    for image, file in zip(records.images, files, strict=True):
        if file.size is not None and image in by_image:
            shown.append((file, by_image[image]))
    return Overview(
        counted="objects",
        label_map=label_map,
        by_class=np.array([counts[label] for label in labels.values()], dtype=np.float64),
        sizes=np.array(readable, dtype=np.int64).reshape(-1, 2),
        examples=len(shown),
        example=_Reader(shown, labels, records.exif),
        objects=_sizes(records, objects, grid) if objects else None,
    )


def _label_map(records: Records) -> LabelMap:
    """Name the categories in their order, each on one line, without duplicates."""
    names = [_one_line(records.category_name(category)) for category in records.categories]
    repeated = Counter(names)
    unique: list[str] = []
    for category, name in zip(records.categories, names, strict=True):
        unique.append(name if repeated[name] == 1 else f"{name} ({category!r})")
    return LabelMap(tuple(records.categories), tuple(unique))


def _one_line(name: str) -> str:
    """Make a name that can be drawn: half characters as escapes, no line breaks."""
    return " ".join(name.encode("utf-8", "backslashreplace").decode().split())


def _sizes(records: Records, objects: Sequence[CheckedObject], grid: AnchorGrid) -> ObjectSizes:
    boxes = np.array([annotation.box for annotation in objects])  # (M, 4)
    sizes = np.array([records.sizes[annotation.image] for annotation in objects], dtype=np.float64)
    return ObjectSizes(
        areas=np.array([annotation.area for annotation in objects]),
        resized=np.sqrt(boxes[:, 2:].prod(axis=1)) * grid.scales(sizes),
        best_iou=best_iou(boxes, sizes, grid),
        grid=grid,
    )


@dataclass(frozen=True)
class _Reader:
    """Reads the annotated images."""

    shown: Sequence[tuple[ImageFile, list[CheckedObject]]]
    labels: Mapping[FileId, int]
    exif: Exif

    def __call__(self, index: int) -> Example:
        file, objects = self.shown[index]
        boxes = LabelledBoxes(
            boxes=to_corners(np.array([annotation.box for annotation in objects])),
            labels=np.array([self.labels[annotation.category] for annotation in objects]),
            crowd=np.array([annotation.crowd for annotation in objects]),
        )
        path = file.listed.path
        return Example(path.name, decode(path, self.exif), boxes=boxes)
