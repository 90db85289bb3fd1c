"""Recognise boxes in units other than pixels, or as corners.

M objects; boxes are (x, y, width, height), sizes (height, width).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import DataError

Units = Literal["pixels", "fractions", "corners"]
"""The numbers of boxes: pixels, shares of the image's sides, or corners in pixels."""
_FEW = 3  # boxes; fewer do not tell whether they are corners
_PAST = 1.0  # pixels past the border that do not count as a sign of corners
_SMALLEST = 8  # pixels of a side; in a smaller image a box of 1x1 is not a small part


def find_units(boxes: NDArray[np.float64], sizes: NDArray[np.int32]) -> Units:
    """Tell the units of a file's boxes (M, 4) from all of them; `sizes` (M, 2) are their images'.

    They are fractions if all end within the first pixel and one is not a whole number. They are
    corners if, read as corners, all are in their image and, read as width and height, half or more
    end past its border.
    """
    if len(boxes) == 0:
        return "pixels"
    ends = boxes[:, :2] + boxes[:, 2:]
    within_a_pixel = boxes.min() >= 0 and ends.max() <= 1.01 and sizes.min() >= _SMALLEST
    if within_a_pixel and (boxes % 1 != 0).any():
        return "fractions"
    borders = sizes[:, ::-1]  # across, down
    as_corners = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, :2] >= 0) & (boxes[:, 2:] <= borders)
    past = (ends > borders + _PAST).any(axis=1)
    if len(boxes) >= _FEW and as_corners.all() and past.mean() >= 0.5:
        return "corners"
    return "pixels"


def units_error(units: Units, count: int) -> DataError:
    """Make the error for a file with this many boxes in units other than pixels."""
    if units == "fractions":
        rule = f"bbox must be in pixels, got fractions of the image's sides in all {count} boxes"
        return DataError(rule, "multiply them by the image's width and height")
    rule = (
        "bbox must be x, y, width, height, got numbers that are corners x1, y1, x2, y2 by all"
        f" {count} boxes"
    )
    way_out = "convert them, or clip boxes to their image if they do have a width and a height"
    return DataError(rule, way_out)


def in_pixels(
    units: Units, box: tuple[float, float, float, float], size: tuple[int, int]
) -> list[float]:
    """Convert a box in other units to x, y, width, height in pixels of its image."""
    first_x, first_y, second_x, second_y = box
    if units == "fractions":
        height, width = size
        values = (first_x * width, first_y * height, second_x * width, second_y * height)
        return [round(value, 6) for value in values]
    return [first_x, first_y, second_x - first_x, second_y - first_y]
