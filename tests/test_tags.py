"""Where the names of boxes go: beside them, in the image, and not over others."""

import numpy as np

from tasks.drawing import Rectangle
from tasks.tags import place_tag

BOX = np.array([10.0, 50, 60, 90])
SIZE = (30.0, 12.0)
IMAGE = (160, 120)


def placed(*taken: Rectangle, others: tuple[Rectangle, ...] = ()) -> Rectangle | None:
    """Where BOX's tag goes, among other boxes and tags."""
    return place_tag(BOX, SIZE, IMAGE, np.array([BOX, *others]), taken)


def test_a_tag_stands_on_its_box() -> None:
    assert placed() == (10, 38, 40, 50)


def test_a_tag_avoids_one_that_is_there() -> None:
    assert placed((0, 30, 45, 52)) == (10, 90, 40, 102)


def test_a_tag_avoids_a_small_box() -> None:
    assert placed(others=((12, 40, 20, 48),)) == (10, 90, 40, 102)


def test_a_tag_may_lie_over_a_large_box() -> None:
    assert placed(others=((0, 0, 160, 120),)) == (10, 38, 40, 50)


def test_a_tag_without_room_is_left_out() -> None:
    assert placed((0, 0, 160, 120)) is None


def test_a_tag_stays_inside_the_image_and_beside_a_tall_box() -> None:
    box = np.array([150.0, 0, 160, 120])
    assert place_tag(box, SIZE, IMAGE, box[None], []) == (120, 0, 150, 12)


def test_an_image_smaller_than_a_tag_is_filled_from_its_corner() -> None:
    box = np.array([0.0, 0, 400, 400])
    assert place_tag(box, SIZE, (8, 8), box[None], []) == (0, 0, 30, 12)
