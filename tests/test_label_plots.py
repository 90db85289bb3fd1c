"""Pictures of labels of every pixel: colours, lines, names, and index PNGs."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.drawing import label_color
from tasks.label_plots import (
    draw_labels,
    draw_wrong,
    labels_grid,
    resize_labels,
    save_index_png,
    wrong_share,
)
from tasks.labels import IGNORED, LabelMap

CLASSES = LabelMap((1, 2, 3), ("road", "tree", "a long name of a class that fits nowhere at all"))
COLOURED = LabelMap((1, 2), ("road", "tree"), ((10, 20, 30), (200, 100, 0)))
GRAY = np.full((120, 160, 3), 128, np.uint8)


def halves(left: int, right: int) -> np.ndarray:
    labels = np.full((120, 160), left, np.uint8)
    labels[:, 80:] = right
    return labels


def test_labels_are_mixed_in_by_the_opacity() -> None:
    drawn = draw_labels(GRAY, halves(0, 1), COLOURED, opacity=0.25)
    assert tuple(drawn[5, 5]) == (98, 101, 104)  # 128 * 0.75 + colour * 0.25, rounded to even
    assert tuple(drawn[5, 150]) == (146, 121, 96)


def test_classes_without_colours_have_those_of_their_labels() -> None:
    drawn = draw_labels(GRAY, halves(0, 1), CLASSES, opacity=1)
    assert tuple(drawn[5, 5]) == label_color(0)
    assert tuple(drawn[5, 150]) == label_color(1)


def test_a_thin_line_is_between_classes() -> None:
    drawn = draw_labels(GRAY, halves(0, 1), COLOURED, opacity=1).astype(int)
    brightness = drawn[5].sum(axis=1)
    assert np.flatnonzero(brightness > 500).tolist() == [79]


def test_ignored_pixels_are_gray_and_hatched() -> None:
    image = GRAY.copy()
    image[..., 0] = 250
    drawn = draw_labels(image, halves(0, IGNORED), COLOURED)[:, 81:]
    assert (drawn == drawn[..., :1]).all()
    values, counts = np.unique(drawn[..., 0], return_counts=True)
    assert len(values) == 2
    assert counts[0] == pytest.approx(drawn[..., 0].size / 8, rel=0.05)  # a line in 8 pixels


def test_a_name_is_written_inside_its_class_alone() -> None:
    labels = halves(0, 1)
    bare = draw_labels(GRAY, labels, LabelMap((1, 2), (" ", "  "), COLOURED.colours))
    drawn = draw_labels(GRAY, labels, COLOURED)
    rows, columns = np.nonzero((drawn != bare).any(axis=2))
    assert ((columns < 79) | (columns > 79)).all()
    for side in (columns < 79, columns > 79):
        assert side.any()
        assert rows[side].mean() == pytest.approx(60, abs=6)
    assert columns[columns < 79].mean() == pytest.approx(40, abs=4)


def test_a_name_without_room_is_left_out() -> None:
    labels = halves(2, 2)
    others = LabelMap((1, 2, 3), ("road", "tree", "another name that has no room anywhere here"))
    drawn = draw_labels(GRAY, labels, CLASSES)
    np.testing.assert_array_equal(drawn, draw_labels(GRAY, labels, others))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_the_given_image_is_not_drawn_into() -> None:
    image = GRAY.copy()
    draw_labels(image, halves(0, 1), CLASSES)
    np.testing.assert_array_equal(image, GRAY)


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (8, 8)])
def test_any_size_can_be_drawn(shape: tuple[int, int]) -> None:
    labels = np.full(shape, IGNORED, np.uint8)
    labels[0, 0] = 1
    assert draw_labels(np.zeros((*shape, 3), np.uint8), labels, CLASSES).shape == (*shape, 3)


def test_resized_labels_are_labels_of_before() -> None:
    resized = resize_labels(halves(0, 200), (30, 37))
    assert resized.shape == (30, 37)
    assert set(np.unique(resized)) == {0, 200}


def test_an_index_png_holds_the_labels_and_shows_their_colours(tmp_path: Path) -> None:
    labels = halves(1, IGNORED)
    save_index_png(labels, COLOURED, tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        shown = np.asarray(picture.convert("RGB"))
    assert tuple(shown[0, 0]) == (200, 100, 0)
    assert tuple(shown[0, 159]) == (224, 224, 192)


def test_the_grid_shows_truth_beside_predictions(tmp_path: Path) -> None:
    black = np.zeros((90, 120, 3), np.uint8)
    truth = np.zeros((90, 120), np.uint8)
    found = np.ones((90, 120), np.uint8)
    names = ["a.png", "b.png"]
    labels_grid([black] * 2, names, [truth] * 2, [found] * 2, COLOURED, tmp_path / "grid.png")
    page = np.asarray(Image.open(tmp_path / "grid.png"))
    cells = page[150:465]
    for label, first in ((0, 44), (1, 44 + 420 + 6)):
        color = np.round(0.55 * np.array(COLOURED.colours or ())[label])
        columns = np.flatnonzero((cells == color).all(axis=2).sum(axis=0) > 200)
        pair = columns[columns < page.shape[1] // 2]
        assert (pair.min(), pair.max()) == (first, first + 419)


def test_a_grid_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one image"):
        labels_grid([], [], [], [], CLASSES, tmp_path / "grid.png")


def test_wrong_pixels_are_red_and_the_others_gray() -> None:
    image = np.full((120, 160, 3), (200, 50, 50), np.uint8)
    truth = halves(0, 1)
    drawn = draw_wrong(image, truth, halves(0, 0)).astype(int)
    assert (drawn[:, :80].max(axis=2) == drawn[:, :80].min(axis=2)).all()
    red, green, blue = drawn[60, 120]
    assert red > max(green, blue) + 100


def test_ignored_pixels_are_never_wrong() -> None:
    truth = halves(IGNORED, 1)
    drawn = draw_wrong(GRAY, truth, halves(0, 1)).astype(int)
    assert (drawn.max(axis=2) == drawn.min(axis=2)).all()


def test_the_share_of_wrong_pixels_is_of_those_with_a_label() -> None:
    """60 of 120 rows of the right half are wrong; the left half is ignored."""
    truth = halves(IGNORED, 1)
    predicted = halves(0, 1)
    predicted[:60, 80:] = 0
    assert wrong_share(truth, predicted) == 0.5


def test_without_labels_no_share_is_known() -> None:
    assert math.isnan(wrong_share(halves(IGNORED, IGNORED), halves(0, 0)))
