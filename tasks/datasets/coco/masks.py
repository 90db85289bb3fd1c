"""Decode and encode masks of COCO annotations: polygons, and run lengths of either kind.

Boxes are (x, y, width, height) in pixels.  `name` is the annotation's name in errors.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.boxes import Box
from tasks.datasets.coco.json_file import Record
from tasks.errors import DataError

FARTHEST = 1e7
"""Pixels from an image's corner; a point beyond is a mistake, and areas would not be exact."""
LONGEST_OUTLINE = 1e6
"""Pixels around the polygons of an object at most: painting takes 40 bytes and 20 ns for each."""


def read_mask(record: Record, name: str) -> Any:
    """Return the annotation's polygons of complete corners, or its run lengths, or None.

    Raises DataError if the segmentation is something else.
    """
    mask = record.get("segmentation") or None
    if isinstance(mask, list) and all(isinstance(polygon, list) for polygon in mask):
        whole = [polygon for polygon in mask if polygon and len(polygon) % 2 == 0]
        return whole or None
    if mask is None or (isinstance(mask, Mapping) and {"size", "counts"} <= mask.keys()):
        return mask
    rule = (
        "segmentation must be polygons [[x, y, x, y, …], …] or run lengths with size and counts,"
        f" got {str(mask)[:60]}"
    )
    raise DataError(rule, "correct it or set it to null", name)


def check_mask(record: Record, height: int, width: int, name: str) -> None:
    """Raise DataError for a segmentation that could not be decoded; nothing is decoded here."""
    mask = read_mask(record, name)
    if isinstance(mask, list):
        polygon_corners(mask, name)
    elif mask is not None:
        _encode_run_lengths(mask, height, width, name)


def encode(mask: Any, height: int, width: int, name: str) -> Any:
    """Encode polygons or run lengths as compressed run lengths (pycocotools' objects).

    Polygons of fewer than three corners cover nothing; None if no others are left. Raises
    DataError for numbers that are impossible in an image of that size.
    """
    if not isinstance(mask, list):
        return _encode_run_lengths(mask, height, width, name)
    from pycocotools import mask as masks

    outlines = [corners for corners in polygon_corners(mask, name) if len(corners) >= 3]
    polygons = [corners.ravel().tolist() for corners in outlines]
    return masks.merge(masks.frPyObjects(polygons, height, width)) if polygons else None


def mask_box(mask: Any, height: int, width: int, name: str) -> Box:
    """Find the box around a mask: around the corners of polygons, around the pixels of others."""
    if isinstance(mask, list):
        corners = np.concatenate(polygon_corners(mask, name))  # exact, unlike pixels
        left, top = corners.min(axis=0).tolist()
        right, bottom = corners.max(axis=0).tolist()
        return left, top, right - left, bottom - top
    from pycocotools import mask as masks

    encoded = encode(mask, height, width, name)
    left, top, box_width, box_height = map(float, masks.toBbox(encoded))
    return left, top, box_width, box_height


def mask_area(mask: Any, height: int, width: int, name: str) -> float:
    """Count the pixels of a mask."""
    encoded = encode(mask, height, width, name)
    if encoded is None:
        return 0.0
    from pycocotools import mask as masks

    return float(masks.area(encoded))


def polygon_corners(polygons: list[list[Any]], name: str) -> list[NDArray[np.float64]]:
    """Return every polygon's corners (n, 2).

    Raises DataError for impossible numbers; with them, the mask code would need endless memory.
    """
    try:
        corners = [np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
        near = all(np.abs(polygon).max() <= FARTHEST for polygon in corners)
        length = sum(_around(polygon) for polygon in corners)
    except (TypeError, ValueError, OverflowError):
        near = False
    if near and length > LONGEST_OUTLINE:
        rule = f"an object's outline must be at most {LONGEST_OUTLINE:g} pixels long, got"
        way_out = "correct it or set segmentation to null"
        raise DataError(f"{rule} {length:.6g}", way_out, name)
    if not near:
        rule = (
            f"a polygon must be numbers x, y, x, y, … of at most {FARTHEST:g} pixels,"
            f" got {str(polygons)[:60]}"
        )
        raise DataError(rule, "correct it or set it to null", name)
    return corners


def _around(corners: NDArray[np.float64]) -> float:
    """Compute the length of a closed outline (n, 2)."""
    steps = corners - np.roll(corners, 1, axis=0)
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())


def _encode_run_lengths(mask: Record, height: int, width: int, name: str) -> Any:
    """Compress run lengths of either kind, and check that they fit the image."""
    from pycocotools import mask as masks

    if mask["size"] != [height, width]:
        rule = (
            f"run lengths must be of the image's height and width, {[height, width]},"
            f" got {mask['size']}"
        )
        raise DataError(rule, "correct them or give the annotation bbox and area", name)
    try:
        encoded: Any = mask
        if isinstance(mask["counts"], list):
            fits = _sum_of_runs(mask["counts"]) == height * width
            encoded = masks.frPyObjects(mask, height, width) if fits else None
        else:
            fits = _sum_of_text(mask["counts"]) == height * width
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        rule = (
            "run lengths must be whole numbers that sum up to the image's height times width, or"
            f" the text of such, got {str(mask['counts'])[:60]}"
        )
        raise DataError(rule, "correct them or set segmentation to null", name)
    return encoded


def _sum_of_runs(counts: list[Any]) -> int:
    """Count the pixels that run lengths cover; ValueError if they are not run lengths."""
    runs = [int(count) for count in counts]
    if runs != counts or min(runs, default=0) < 0:
        raise ValueError("run lengths are whole numbers")
    return sum(runs)


def _sum_of_text(text: str | bytes) -> int:
    """Count the pixels that COCO's compressed run lengths cover; ValueError if malformed.

    A character has five bits of a number, the lowest first, and a bit that says whether more
    follow. From the fourth on, numbers are differences to the last but one.
    """
    runs: list[int] = []
    value = 0
    shift = 0
    for code in text.encode() if isinstance(text, str) else text:
        bits = code - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("a character of run lengths is one of 64")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise ValueError("a run length is positive")
        runs.append(value)
        value = 0
        shift = 0
    if shift:
        raise ValueError("the last run length is cut off")
    return sum(runs)


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Write a mask (H, W) as COCO's uncompressed run lengths, down columns, zeros first."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def compressed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return compressed run lengths of a mask (H, W) for a results file."""
    from pycocotools import mask as masks

    encoded: dict[str, Any] = masks.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode()}
