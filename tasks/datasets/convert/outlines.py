"""Outlines and masks that people drew, as objects on an image.

Sizes are (height, width) in pixels; outlines are polygons x, y, x, y, …
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.masks import run_lengths
from tasks.datasets.convert.writing import LabelledBox, Polygon, box_of_corners
from tasks.datasets.notes import Notes

_CORNERS = 72  # of a polygon that stands for an ellipse
CLIPPED = "outlines reach outside their image and were clipped to it"


def rectangle(left: float, top: float, right: float, bottom: float, turn: float = 0) -> Polygon:
    """Corners of a rectangle, turned about its centre clockwise by degrees."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return _turned(corners, ((left + right) / 2, (top + bottom) / 2), turn)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, turn: float = 0) -> Polygon:
    """Corners on an ellipse about (x, y), turned clockwise by degrees."""
    corners: list[tuple[float, float]] = []
    for corner in range(_CORNERS):
        angle = 2 * math.pi * corner / _CORNERS
        corners.append((x + radius_x * math.cos(angle), y + radius_y * math.sin(angle)))
    return _turned(corners, (x, y), turn)


def _turned(
    corners: Sequence[tuple[float, float]], centre: tuple[float, float], turn: float
) -> Polygon:
    if turn == 0:
        return tuple(value for corner in corners for value in corner)
    cos = math.cos(math.radians(turn))
    sin = math.sin(math.radians(turn))
    values: list[float] = []
    for x, y in corners:
        right = x - centre[0]
        down = y - centre[1]
        values += [centre[0] + right * cos - down * sin, centre[1] + right * sin + down * cos]
    return tuple(values)


def outlined(
    label: str, polygons: Sequence[Polygon], size: tuple[int, int], where: str, notes: Notes
) -> LabelledBox | None:
    """Make an object of one or more outlines; None, and a note, if it has no width or height.

    Parts outside the image are clipped, and noted.
    """
    clipped = tuple(_clipped(polygon, size) for polygon in polygons)
    if clipped != tuple(polygons):
        notes.add(CLIPPED, where)
    xs = [x for polygon in clipped for x in polygon[0::2]]
    ys = [y for polygon in clipped for y in polygon[1::2]]
    box = box_of_corners([min(xs), min(ys), max(xs), max(ys)], 0, where, notes)
    return None if box is None else LabelledBox(label=label, box=box, polygons=clipped)


def _clipped(polygon: Polygon, size: tuple[int, int]) -> Polygon:
    height, width = size
    values: list[float] = []
    for place, value in enumerate(polygon):
        side = width if place % 2 == 0 else height
        values.append(min(max(value, 0), side))
    return tuple(values)


def masked(
    label: str,
    part: NDArray[np.bool_],
    corner: tuple[int, int],
    size: tuple[int, int],
    where: str,
    notes: Notes,
) -> LabelledBox | None:
    """Make an object of a mask (h, w) with its first pixel at the image's pixel (x, y).

    None, and a note, if no pixel of it is on the image.
    """
    left, top = corner
    mask = np.zeros(size, dtype=np.bool_)
    shown = part[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    if shown.size:
        first_row = max(0, top)
        first_column = max(0, left)
        rows_and_columns = (
            slice(first_row, first_row + shown.shape[0]),
            slice(first_column, first_column + shown.shape[1]),
        )
        mask[rows_and_columns] = shown
    if mask.sum() < part.sum():
        notes.add(CLIPPED, where)
    if not mask.any():
        notes.add("masks without a pixel were left out", where)
        return None
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    x = float(columns[0])
    y = float(rows[0])
    box = (x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y)
    return LabelledBox(label=label, box=box, mask=tuple(run_lengths(mask)))
