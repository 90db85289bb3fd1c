"""A picture of many images: what is written below them, and the whole legend."""

from pathlib import Path

import numpy as np
from PIL import Image

from tasks.images import Pixels
from tasks.outcomes import Look
from tasks.picture_grid import LegendEntry, write_grid

WHITE = np.full((90, 120, 3), 255, np.uint8)


def keep(_: int, pixels: Pixels) -> Pixels:
    """Draw nothing."""
    return pixels


def grid_of(folder: Path, *, name: str = "a", classes: int = 1) -> np.ndarray:
    """The picture of one image in two columns, with classes of colours (1, 0, 0), (2, 0, 0), …"""
    legend = [
        LegendEntry(f"class number {place}", Look((place, 0, 0))) for place in range(1, classes + 1)
    ]
    columns = [("truth", keep), ("found", keep)]
    write_grid([WHITE], [name], columns, legend, folder / "grid.png")
    return np.asarray(Image.open(folder / "grid.png"))


def test_a_long_legend_is_whole(tmp_path: Path) -> None:
    page = grid_of(tmp_path, classes=80)
    shown = [(page == (place, 0, 0)).all(axis=2).sum() for place in range(1, 81)]
    assert min(shown) >= 34 * 22
    assert page.shape[1] == 2 * 420 + 6 + 2 * 44


def test_a_name_is_written_below_its_image(tmp_path: Path) -> None:
    below = slice(150 + 315, 150 + 315 + 34)
    assert (grid_of(tmp_path, name="")[below] == 255).all()
    assert (grid_of(tmp_path, name="photo.jpg")[below] < 200).any()


def test_a_long_name_ends_with_its_image(tmp_path: Path) -> None:
    page = grid_of(tmp_path, name="folder/" * 40 + "photo.jpg")
    written = np.flatnonzero((page[150 + 315 : 150 + 315 + 34] < 200).any(axis=(0, 2)))
    assert written.min() >= 44
    assert written.max() <= 44 + 2 * 420 + 6
