"""Where predictions of files go, and which files are taken for earlier ones."""

from pathlib import Path

import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.vision.prediction import outputs_of


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.png", "more/b.png", "found/a_overlay.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)
    return folder


def test_earlier_predictions_inside_the_source_are_left_out(photos: Path) -> None:
    found = photos / "found"
    assert outputs_of([photos], found, "_x.jpg") == {
        photos / "a.png": found / "a_x.jpg",
        photos / "more/b.png": found / "more/b_x.jpg",
    }


def test_a_folder_above_the_source_takes_all_of_its_images(photos: Path) -> None:
    outputs = outputs_of([photos], photos.parent, "_x.jpg")
    assert len(outputs) == 3
    assert outputs[photos / "more/b.png"] == photos.parent / "more/b_x.jpg"


def test_a_source_with_earlier_predictions_alone_is_refused(photos: Path) -> None:
    (photos / "a.png").unlink()
    (photos / "more/b.png").unlink()
    with pytest.raises(UserError, match=r"photos must hold images outside of --out, got .*found"):
        outputs_of([photos], photos / "found", "_x.jpg")
