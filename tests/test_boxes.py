"""Forms of boxes."""

import numpy as np

from tasks.boxes import to_corners


def test_corners_are_a_corner_and_the_one_across() -> None:
    boxes = np.array([[1.0, 2.0, 10.0, 5.0], [0.5, 0.0, 0.0, 3.0]])
    assert to_corners(boxes).tolist() == [[1, 2, 11, 7], [0.5, 0, 0.5, 3]]
    assert to_corners(np.zeros((0, 4))).shape == (0, 4)
