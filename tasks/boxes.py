"""Forms of boxes.  N boxes, in pixels."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x, y, width, height


def to_corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert COCO's boxes (N, 4) of (x, y, width, height) to corners (x1, y1, x2, y2)."""
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)
