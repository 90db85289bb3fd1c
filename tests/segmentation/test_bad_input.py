"""What a user can get wrong: one sentence, and nothing written."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_segmenter import arguments, write_masks

from tasks.cli.main import main


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_masks(tmp_path / "data")


def refused(capsys: pytest.CaptureFixture[str], root: Path, out: Path, **changes: object) -> str:
    """What a training is refused with."""
    recipe = out.with_name("recipe.yaml")
    recipe.write_text("task: segmentation\n")
    status = main(["train", str(recipe), *arguments(root, **changes), f"run.output_dir={out}"])
    error = capsys.readouterr().err.strip()
    assert status == 2, error
    assert error.startswith("error: ")
    assert not out.exists()
    return error


def test_masks_of_another_size(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = own / "train" / "masks" / "003.png"
    Image.new("L", (60, 48)).save(mask)
    error = refused(capsys, own, tmp_path / "run")
    assert "003.png" in error
    assert "60x48" in error


def test_value_outside_the_classes(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first mask is read before training begins."""
    mask = own / "train" / "masks" / "000.png"
    values = np.asarray(Image.open(mask)).copy()
    values[5, 5] = 9
    Image.fromarray(values).save(mask)
    error = refused(capsys, own, tmp_path / "run")
    assert "000.png" in error
    assert "9" in error


def test_missing_mask(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "train" / "masks" / "002.png").unlink()
    assert "002.png" in refused(capsys, own, tmp_path / "run")


def test_colours_without_a_table(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (own / "train" / "masks").iterdir():
        Image.open(file).convert("RGB").save(file)
    assert "colour" in refused(capsys, own, tmp_path / "run")


def test_empty_folder(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("images", "masks"):
        shutil.rmtree(own / "train" / kind)
        (own / "train" / kind).mkdir()
    assert "train" in refused(capsys, own, tmp_path / "run")


def test_other_number_of_class_weights(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, own, tmp_path / "run", loss__class_weights="[1,2]")
    assert "loss.class_weights must name 3 weights" in error
