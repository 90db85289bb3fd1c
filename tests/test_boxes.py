"""Forms of boxes."""

import numpy as np
import pytest

from tasks.boxes import finite_box, to_corners


def test_corners_are_a_corner_and_the_one_across() -> None:
    boxes = np.array([[1.0, 2.0, 10.0, 5.0], [0.5, 0.0, 0.0, 3.0]])
    assert to_corners(boxes).tolist() == [[1, 2, 11, 7], [0.5, 0, 0.5, 3]]
    assert to_corners(np.zeros((0, 4))).shape == (0, 4)


def test_four_finite_numbers_are_a_box() -> None:
    assert finite_box([1, 2.5, 0, -3]) == (1.0, 2.5, 0.0, -3.0)


@pytest.mark.parametrize(
    "values", [None, "abcd", [1, 2, 3], [1, 2, 3, float("nan")], [1, 2, 3, {}], [1, 2, 3, 10**400]]
)
def test_anything_else_is_none(values: object) -> None:
    assert finite_box(values) is None
