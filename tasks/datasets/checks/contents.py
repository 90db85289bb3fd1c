"""Describe the contents of a COCO file in lines.  M objects; areas in square pixels."""

from collections import Counter

import numpy as np

from tasks.datasets.checks.anchors import AnchorGrid, best_iou
from tasks.datasets.checks.overview import LARGE, SMALL
from tasks.datasets.checks.records import CheckedObject, Records

_SIZES = (
    ("all", 0, np.inf),
    ("small", 0, SMALL),
    ("medium", SMALL, LARGE),
    ("large", LARGE, np.inf),
)


def describe_contents(records: Records, grid: AnchorGrid) -> tuple[str, ...]:
    """Count images and objects, by image, size and class, and how well anchors cover them."""
    objects = [annotation for annotation in records.objects if not annotation.crowd]
    crowds = len(records.objects) - len(objects)
    lines = [
        f"{len(records.images)} images, {len(objects)} objects, {crowds} crowds,"
        f" {len(records.categories)} categories"
    ]
    if objects:
        lines.append(_count_by_image(records, objects))
        lines += _count_by_size(records, objects, grid)
        lines += _count_by_class(records, objects)
    return tuple(lines)


def _count_by_image(records: Records, objects: list[CheckedObject]) -> str:
    owners = Counter(annotation.image for annotation in objects)
    counts = np.array([owners[image] for image in records.images])
    return (
        f"objects per image: median {np.median(counts):g}, mean {counts.mean():.1f}, most"
        f" {counts.max()}; {(counts == 0).sum()} images have none"
    )


def _count_by_size(records: Records, objects: list[CheckedObject], grid: AnchorGrid) -> list[str]:
    areas = np.array([annotation.area for annotation in objects])  # (M,)
    sizes = np.array([records.sizes[annotation.image] for annotation in objects], dtype=np.float64)
    overlap = best_iou(np.array([annotation.box for annotation in objects]), sizes, grid)  # (M,)
    anchors = ", ".join(f"{size:g}" for size in grid.sizes)
    lines = [
        f"anchors of {anchors} pixels after the resize to {grid.short_edge}/{grid.long_edge};"
        " small is an area below 32x32 pixels of the file, large one of 96x96 or more:"
    ]
    for name, low, high in _SIZES:
        chosen = overlap[(areas >= low) & (areas < high)]
        lines.append(
            f"  {name:8}{len(chosen):8} objects, best IoU >= 0.5: {_share_above(chosen, 0.5)},"
            f" >= 0.7: {_share_above(chosen, 0.7)}"
        )
    return lines


def _share_above(overlap: np.ndarray[tuple[int, ...], np.dtype[np.float64]], least: float) -> str:
    return f"{100 * (overlap >= least).mean():5.1f} %" if len(overlap) else "   –   "


def _count_by_class(records: Records, objects: list[CheckedObject]) -> list[str]:
    counts = Counter(annotation.category for annotation in objects)
    lines: list[str] = []
    absent = len(records.categories) - len(counts)
    if absent and not records.needs.trained:
        of = f"{absent} of {len(records.categories)} categories"
        lines.append(f"note: {of} have no object here, so their AP cannot be scored")
    lines.append("objects by class:")
    for category in sorted(records.categories, key=lambda category: -counts[category]):
        name = records.category_name(category)
        lines.append(f"  {counts[category]:8}  {name} (id {category!r})")
    return lines
