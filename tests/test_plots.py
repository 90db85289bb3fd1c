"""Pictures of detections: where lines, labels and legends go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.drawing import label_color
from tasks.labels import LabelMap
from tasks.outcomes import LOOKS, Outcome
from tasks.plots import LabelledBoxes, PicturedImage, draw_boxes, predictions_grid

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


def outcomes_of(*outcomes: Outcome) -> LabelledBoxes:
    """Boxes of 30 x 30 pixels beside each other, with those outcomes."""
    boxes = [(10.0 + 40 * place, 50.0, 40.0 + 40 * place, 80.0) for place in range(len(outcomes))]
    return replace(boxes_of(*boxes), outcomes=outcomes)


def test_outcomes_are_drawn_in_their_colours_instead_of_the_classes() -> None:
    drawn = draw_boxes(GRAY, outcomes_of(Outcome.RIGHT, Outcome.WRONG, Outcome.MISSED), CLASSES)
    corners = [tuple(drawn[50, 10]), tuple(drawn[50, 50]), tuple(drawn[50, 90])]
    assert corners == [LOOKS[each].color for each in (Outcome.RIGHT, Outcome.WRONG, Outcome.MISSED)]


def test_a_wrong_box_lies_over_a_right_one_of_higher_score() -> None:
    both = boxes_of((40, 50, 140, 110), (40, 50, 140, 110), scores=[0.3, 0.9])
    shown = replace(both, outcomes=[Outcome.WRONG, Outcome.RIGHT])
    assert tuple(draw_boxes(GRAY, shown, CLASSES)[50, 40]) == LOOKS[Outcome.WRONG].color


def test_no_name_hides_a_small_box() -> None:
    """Sixteen boxes of 8 pixels, so close that there is room for names at the rim only."""
    places = [(40 + 11 * column, 30 + 11 * row) for column in range(4) for row in range(4)]
    boxes = np.array([(x, y, x + 8, y + 8) for x, y in places], np.float64)
    labels = np.zeros(16, np.int64)
    drawn = draw_boxes(GRAY, LabelledBoxes(boxes, labels), CLASSES, text_height=10)
    insides = [drawn[y + 3 : y + 5, x + 3 : x + 5] for x, y in places]
    assert all((inside == 128).all() for inside in insides)


def pictured(value: int, name: str = "a.jpg", words: str = "") -> PicturedImage:
    """A gray image with an object that is missed."""
    truth = replace(boxes_of((30, 30, 90, 60)), outcomes=[Outcome.MISSED])
    nothing = replace(boxes_of(scores=[]), outcomes=[])
    return PicturedImage(name, np.full((90, 120, 3), value, np.uint8), truth, nothing, words)


def test_an_image_says_what_came_of_its_boxes() -> None:
    outcomes = [Outcome.RIGHT, Outcome.WRONG, Outcome.WRONG]
    found = replace(boxes_of(*[(0, 0, 9, 9)] * 3, scores=[0.9, 0.8, 0.7]), outcomes=outcomes)
    image = replace(pictured(60, "cells/7.jpg"), predictions=found)
    assert str(image) == "cells/7.jpg: 1 right, 2 wrong, 1 missed"


def test_the_grid_shows_every_image_twice_and_boxes_where_they_belong(tmp_path: Path) -> None:
    images = [pictured(value) for value in (60, 120, 180, 240)]
    predictions_grid(images, CLASSES, tmp_path / "grid.png", note="score at least 0.5", across=2)
    page = np.asarray(Image.open(tmp_path / "grid.png"))
    areas = [(page == value).all(axis=2).sum() for value in (60, 120, 180, 240)]
    assert min(areas) > 1.8 * 420 * 315  # both cells, less lines and text
    outlined = (page == LOOKS[Outcome.MISSED].color).all(axis=2)
    columns = np.flatnonzero(outlined[: 150 + 315].any(axis=0))
    middle = page.shape[1] // 2
    assert columns.min() >= 44 + 105  # a quarter into the first cell …
    assert columns[columns < middle].max() <= 44 + 420  # … and none in the predictions beside it


def test_words_stand_where_there_are_no_predictions(tmp_path: Path) -> None:
    images = [pictured(200, words="no detection above 0.5; highest 0.31"), pictured(200)]
    predictions_grid(images, CLASSES, tmp_path / "grid.png")
    page = np.asarray(Image.open(tmp_path / "grid.png"))
    wordless = 44 + 2 * 426 - 6 + 44 + 426  # left of the second image's predictions
    cells = [page[150 : 150 + 315, left : left + 420] for left in (44 + 426, wordless)]
    assert [bool((cell != 200).any()) for cell in cells] == [True, False]


def test_a_grid_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one image"):
        predictions_grid([], CLASSES, tmp_path / "grid.png")
