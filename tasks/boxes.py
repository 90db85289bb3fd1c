"""Convert and check boxes. N boxes, in pixels."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x, y, width, height


def to_corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert COCO's boxes (N, 4) of (x, y, width, height) to corners (x1, y1, x2, y2)."""
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def finite_box(values: object) -> Box | None:
    """Return four finite numbers as a box (x, y, width, height); None for anything else."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if numbers.shape != (4,) or not np.isfinite(numbers).all():
        return None
    left, top, width, height = numbers.tolist()
    return left, top, width, height
