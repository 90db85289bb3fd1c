"""Pictures of detections: where lines, labels and legends go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.drawing import label_color
from tasks.labels import LabelMap
from tasks.plots import LabelledBoxes, _place, draw_boxes, predictions_grid

CLASSES = LabelMap((1, 2, 3), ("cat", "dog", "Katze mit Ärmeln"))
GRAY = np.full((120, 160, 3), 128, np.uint8)


def boxes_of(
    *boxes: tuple[float, float, float, float], scores: list[float] | None = None
) -> LabelledBoxes:
    """Boxes whose labels count up from 0."""
    given = None if scores is None else np.array(scores)
    return LabelledBoxes(np.array(boxes, np.float64).reshape(-1, 4), np.arange(len(boxes)), given)


def test_the_first_hundred_labels_have_colors_of_their_own() -> None:
    assert len({label_color(label) for label in range(100)}) == 100


def test_a_box_is_outlined_in_its_labels_color_and_left_open() -> None:
    drawn = draw_boxes(GRAY, boxes_of((40, 50, 140, 110)), CLASSES)
    assert tuple(drawn[109, 90]) == tuple(drawn[80, 40]) == tuple(drawn[80, 139]) == label_color(0)
    assert tuple(drawn[80, 90]) == (128, 128, 128)


def test_the_given_image_is_not_drawn_into() -> None:
    image = GRAY.copy()
    draw_boxes(image, boxes_of((40, 50, 140, 110)), CLASSES)
    np.testing.assert_array_equal(image, GRAY)


def test_without_boxes_the_image_stays_as_it_is() -> None:
    np.testing.assert_array_equal(draw_boxes(GRAY, boxes_of(), CLASSES), GRAY)


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (8, 8)])
def test_any_image_and_box_size_can_be_drawn(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    found = boxes_of((0, 0, 0, 0), (-3, -3, 500, 500), (0.2, 0.2, 0.4, 0.4), scores=[0.1, 0.2, 0.3])
    assert draw_boxes(image, found, CLASSES).shape == image.shape


def test_text_is_the_class_with_its_score_or_the_word_crowd() -> None:
    found = LabelledBoxes(np.zeros((2, 4)), np.array([0, 1]), crowd=np.array([False, True]))
    assert [found.text(index, CLASSES) for index in (0, 1)] == ["cat", "dog (crowd)"]
    assert boxes_of((0, 0, 1, 1), scores=[0.987]).text(0, CLASSES) == "cat 0.99"


def test_a_label_stands_on_its_box() -> None:
    assert _place(np.array([10, 50, 60, 90]), 30, 12, (160, 120), []) == (10, 38, 40, 50)


def test_a_label_avoids_what_is_taken() -> None:
    assert _place(np.array([10, 50, 60, 90]), 30, 12, (160, 120), [(0, 30, 45, 52)]) == (
        10,
        90,
        40,
        102,
    )


def test_a_label_stays_inside_the_image() -> None:
    left, top, right, bottom = _place(np.array([150, 0, 160, 120]), 30, 12, (160, 120), [])
    assert (left, top, right, bottom) == (130, 0, 160, 12)


def test_the_grid_shows_every_image_twice_and_boxes_where_they_belong(tmp_path: Path) -> None:
    images = [np.full((90, 120, 3), value, np.uint8) for value in (60, 120, 180, 240)]
    truths = [boxes_of((30, 30, 90, 60)) for _ in images]
    predictions = [boxes_of(scores=[]) for _ in images]
    predictions_grid(
        images,
        truths,
        predictions,
        CLASSES,
        tmp_path / "grid.png",
        note="score at least 0.5",
        across=2,
    )
    page = np.asarray(Image.open(tmp_path / "grid.png"))
    areas = [(page == value).all(axis=2).sum() for value in (60, 120, 180, 240)]
    assert min(areas) > 1.8 * 420 * 315  # both cells, less lines and text
    outlined = (page == label_color(0)).all(axis=2)
    columns = np.flatnonzero(outlined[:-80].any(axis=0))  # the legend is below
    middle = page.shape[1] // 2
    assert columns.min() >= 44 + 105  # a quarter into the first cell …
    assert columns[columns < middle].max() <= 44 + 420  # … and none in the predictions beside it


def test_a_grid_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one image"):
        predictions_grid([], [], [], CLASSES, tmp_path / "grid.png")


def test_a_crowded_legend_says_how_many_are_left_out(tmp_path: Path) -> None:
    classes = LabelMap(tuple(range(80)), tuple(f"class number {label}" for label in range(80)))
    found = LabelledBoxes(np.zeros((80, 4)), np.arange(80))
    predictions_grid([GRAY], [found], [found], classes, tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").width == 2 * 420 + 6 + 2 * 44
