"""The sheet of training images: sizes, places, and texts that are too long."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.sample_sheet import Sample, fitted, write_sheet


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((640, 720), (320, 360)),
        ((100, 720), (50, 360)),
        ((640, 100), (320, 50)),
        ((32, 32), (320, 320)),  # ten times
        ((90, 170), (180, 340)),  # twice, where 2.1 would fit
    ],
)
def test_images_fit_into_a_cell(shape: tuple[int, int], shown: tuple[int, int]) -> None:
    assert fitted(np.zeros((*shape, 3), np.uint8)).shape[:2] == shown


def test_pixels_of_a_small_image_stay_squares() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    np.testing.assert_array_equal(fitted(pixels)[::160, ::160], pixels)


def test_images_stand_in_rows_of_four(tmp_path: Path) -> None:
    colours = [(40 * number, 0, 200) for number in range(6)]
    images = [np.full((100, 360, 3), colour, np.uint8) for colour in colours]
    write_sheet([Sample(image, "a.png", "cat") for image in images], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    for number, colour in enumerate(colours):
        row, column = divmod(number, 4)
        y = 70 + row * (100 + 52 + 16) + 50
        x = 16 + column * (360 + 16) + 180
        assert tuple(sheet[y, x]) == colour
    assert sheet.shape == (70 + 2 * 168, 16 + 4 * 376, 3)


def test_a_text_that_is_too_long_does_not_reach_its_neighbour(tmp_path: Path) -> None:
    image = np.zeros((100, 360, 3), np.uint8)
    samples = [Sample(image, "name " * 60, "class\n" * 60), Sample(image, "", "")]
    write_sheet(samples, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    below = sheet[70 + 100 :]
    assert (below[:, 16 + 360 :] == 255).all()
    assert (below[:, : 16 + 360] < 128).any()
