"""What a user can get wrong: one sentence, and nothing written."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_segmenter import arguments, tiny_config, write_masks

from resnet_backbones.errors import UserError
from tasks.cli.main import main
from tasks.segmentation.data.read_splits import read_split


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_masks(tmp_path / "data")


def refused(capsys: pytest.CaptureFixture[str], root: Path, out: Path, **changes: object) -> str:
    """The one line that a training is refused with before it begins."""
    error = ended(capsys, root, out, **changes)
    assert not out.exists()
    return error


def ended(capsys: pytest.CaptureFixture[str], root: Path, out: Path, **changes: object) -> str:
    """The one line that a training ends with."""
    recipe = out.with_name("recipe.yaml")
    recipe.write_text("task: segmentation\n")
    status = main(["train", str(recipe), *arguments(root, **changes), f"run.output_dir={out}"])
    error = capsys.readouterr().err.strip()
    assert status == 2, error
    assert error.startswith("error: ")
    assert "\n" not in error
    return error


def spoil(mask: Path) -> None:
    """Give a pixel a value that is no class."""
    values = np.asarray(Image.open(mask)).copy()
    values[5, 6] = 9
    Image.fromarray(values).save(mask)


def test_masks_of_another_size(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = own / "train" / "masks" / "003.png"
    Image.new("L", (60, 48)).save(mask)
    error = refused(capsys, own, tmp_path / "run")
    assert f"{mask} is 60x48 pixels (width x height), its image is 64x48" in error


@pytest.mark.parametrize(
    "name", ["train/masks/000.png", "train/masks/007.png", "val/masks/003.png"]
)
def test_value_outside_the_classes(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    mask = own / name
    spoil(mask)
    error = refused(capsys, own, tmp_path / "run")
    assert f"{mask}: every value must be a class or ignored, got the value 9 at x 6, y 5" in error
    assert "which has 0, 1, 2, 255" in error


@pytest.mark.parametrize("workers", [0, 1])
def test_value_outside_the_classes_of_a_mask_that_was_not_read_before(
    own: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    """It ends the training when it is read."""
    monkeypatch.setattr("tasks.datasets.semantic.dataset.READ_AT_THE_START", 1)
    mask = own / "train" / "masks" / "005.png"
    spoil(mask)
    error = ended(capsys, own, tmp_path / "run", data__workers=workers)
    assert f"{mask}: every value must be a class or ignored, got the value 9" in error


def test_missing_mask(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "train" / "masks" / "002.png").unlink()
    error = refused(capsys, own, tmp_path / "run")
    masks = own / "train" / "masks"
    assert f"002.png: every image needs a mask, found none of its name in {masks}" in error


def test_colours_without_a_table(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (own / "train" / "masks").iterdir():
        Image.open(file).convert("RGB").save(file)
    error = refused(capsys, own, tmp_path / "run")
    assert "000.png: a mask must hold a value for each pixel, got colours" in error
    assert "or give the classes colours" in error


def test_empty_folder(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("images", "masks"):
        shutil.rmtree(own / "train" / kind)
        (own / "train" / kind).mkdir()
    error = refused(capsys, own, tmp_path / "run")
    assert f"{own}/train/images holds no file ending in" in error
    assert error.endswith("correct data.root, or put files there")


@pytest.mark.parametrize("split", ["train", "val"])
def test_split_with_only_ignored_pixels(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str
) -> None:
    masks = own / split / "masks"
    for file in masks.iterdir():
        Image.fromarray(np.full((48, 64), 255, np.uint8)).save(file)
    error = refused(capsys, own, tmp_path / "run")
    assert f"{masks} must hold pixels of a class, got ignored pixels only" in error


def test_one_pixel_that_counts_is_enough(own: Path) -> None:
    for number, file in enumerate(sorted((own / "train" / "masks").iterdir())):
        values = np.full((48, 64), 255, np.uint8)
        values[47, 63] = 0 if number == 1 else 255
        Image.fromarray(values).save(file)
    assert len(read_split(tiny_config(own).data, "train")) == 8


def test_of_many_masks_some_are_read_at_the_start(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first and the last among them; a spoilt one in between shows when it is read."""
    monkeypatch.setattr("tasks.datasets.semantic.dataset.READ_AT_THE_START", 2)
    masks = sorted((own / "train" / "masks").iterdir())
    spoil(masks[2])
    assert len(read_split(tiny_config(own).data, "train")) == 8
    spoil(masks[-1])
    with pytest.raises(UserError, match=masks[-1].name):
        read_split(tiny_config(own).data, "train")


def test_other_number_of_class_weights(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, own, tmp_path / "run", loss__class_weights="[1,2]")
    assert "loss.class_weights must name 3 weights" in error
