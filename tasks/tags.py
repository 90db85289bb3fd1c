"""Place the names of boxes so that they hide neither small boxes nor each other.

N boxes (x1, y1, x2, y2), in pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.drawing import Rectangle

MOST_OF_A_BOX = 0.2
"""Share of any box that a tag may hide."""
MOST_OF_A_TAG = 0.05
"""Share of a tag that may lie over earlier tags."""


def place_tag(
    box: NDArray[np.floating],
    size: tuple[float, float],
    image_size: tuple[int, int],
    boxes: NDArray[np.floating],
    taken: Sequence[Rectangle],
) -> Rectangle | None:
    """Find a place inside the image for a tag of (width, height) of one of the `boxes` (N, 4).

    It touches its box, outside of it if possible. None if every place would hide too much of a box,
    or of the tags that are `taken`.
    """
    patches = _candidates(box, size, image_size)
    others = np.array(taken, np.float64).reshape(-1, 4)
    over_tags = _shared_areas(patches, others).sum(axis=1) / (size[0] * size[1])
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1.0)
    hidden = (_shared_areas(patches, boxes) / areas).max(axis=1, initial=0.0)
    fits = (hidden <= MOST_OF_A_BOX) & (over_tags <= MOST_OF_A_TAG)
    if not fits.any():
        return None
    best = int(np.where(fits, hidden + over_tags, np.inf).argmin())
    left, top, right, bottom = patches[best].tolist()
    return left, top, right, bottom


def _candidates(
    box: NDArray[np.floating], size: tuple[float, float], image_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return patches at the box's corners (10, 4), moved into the image, those outside the box
    first.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    width, height = size
    corners = np.array(
        [
            (x1, y1 - height),
            (x1, y2),
            (x2 - width, y1 - height),
            (x2 - width, y2),
            (x2, y1),
            (x1 - width, y1),
            (x2, y2 - height),
            (x1 - width, y2 - height),
            (x1, y1),
            (x1, y2 - height),
        ]
    )
    room = np.maximum(np.array(image_size) - size, 0.0)
    corners = np.clip(corners, 0.0, room)
    return np.concatenate((corners, corners + size), axis=1)


def _shared_areas(patches: NDArray[np.float64], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the areas that P patches share with N boxes, (P, N)."""
    low = np.maximum(patches[:, None, :2], boxes[None, :, :2])
    high = np.minimum(patches[:, None, 2:], boxes[None, :, 2:])
    shared: NDArray[np.float64] = np.maximum(high - low, 0.0).prod(axis=2)
    return shared
