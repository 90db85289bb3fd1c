"""What a user can get wrong: one sentence, and nothing written."""

import shutil
from pathlib import Path

import class_data
import numpy as np
import pytest
from PIL import Image
from tiny_classifier import arguments, tiny_config

from resnet_backbones.errors import UserError
from tasks.classification.data.files import Places, TestReader
from tasks.classification.data.read_sets import read_split
from tasks.classification.data.squares import TrainSquares
from tasks.classification.data.views import views_of
from tasks.classification.train import run
from tasks.cli.main import main
from tasks.engine.launch import launch


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return class_data.folders(tmp_path / "data")


def refused(capsys: pytest.CaptureFixture[str], root: Path, out: Path, **changes: object) -> str:
    """The one line that a training is refused with."""
    recipe = out.with_name("recipe.yaml")
    recipe.write_text("task: classification\n")
    given = arguments(root, **changes)
    status = main(["train", str(recipe), *given, f"run.output_dir={out}"])
    error = capsys.readouterr().err.strip()
    assert status == 2, error
    assert error.startswith("error: ")
    assert "\n" not in error
    assert not out.exists()
    return error


def test_missing_split(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(own / "val")
    error = refused(capsys, own, tmp_path / "run")
    assert "no images for the val split, tried" in error
    assert "set data.root, or data.val" in error


def test_empty_class(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "train" / "yellow").mkdir()
    error = refused(capsys, own, tmp_path / "run")
    assert f"yellow in {own / 'train'} holds none" in error


def test_class_in_val_only(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(own / "val" / "red", own / "val" / "yellow")
    assert "'yellow'" in refused(capsys, own, tmp_path / "run")


def test_crop_larger_than_resize(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, own, tmp_path / "run", test__resize=20)
    assert "test.resize must be null or at least test.crop=24, got 20" in error


def test_an_image_smaller_than_the_crop_of_the_test_is_named(own: Path, tmp_path: Path) -> None:
    """Found by the campaign: which image it is was not said."""
    Image.new("RGB", (1, 1)).save(own / "val" / "blue" / "000.png")
    config = tiny_config(own, tmp_path / "run", test__resize="null")
    images = read_split(config.data, "val")
    reader = TestReader(images, config, views_of(config.test)[0])
    seen = r"blue/000\.png: test\.crop=24 must fit into every image, got one of 1x1"
    with pytest.raises(UserError, match=seen):
        reader(Places([0]))


def test_head_of_another_number_of_classes(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launch(tiny_config(own, tmp_path / "first", schedule__steps=1, schedule__milestones="[]"), run)
    shutil.rmtree(own / "train" / "red")
    shutil.rmtree(own / "val" / "red")
    weights = tmp_path / "first" / "weights.safetensors"
    error = refused(capsys, own, tmp_path / "run", model__weights=weights, model__head="load")
    assert "num_classes=2" in error


def test_mixed_sizes_cannot_be_decoded_at_once(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 20)).save(own / "train" / "red" / "odd.png")
    error = refused(capsys, own, tmp_path / "run", data__decoded=True)
    assert "images of one size, got 24x24 in" in error
    assert "30x20 in" in error


@pytest.mark.parametrize("decoded", [False, True])
def test_too_many_unreadable_images(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], decoded: bool
) -> None:
    for number in range(2):
        (own / "train" / "red" / f"{number:03d}.png").write_bytes(b"no image")
    changes = {"data__unreadable": 0.06, "data__decoded": decoded, "schedule__steps": 9}
    config = tiny_config(own, tmp_path / "run", **changes)
    with pytest.raises(UserError, match=r"at most data\.unreadable=0\.06 .* 2 of 18 are not"):
        launch(config, run)


def test_few_unreadable_images_are_named_and_left_out(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "train" / "red" / "000.png").write_bytes(b"no image")
    (own / "val" / "red" / "001.png").write_bytes(b"no image")
    launch(tiny_config(own, tmp_path / "run", data__unreadable=0.3), run)
    printed = capsys.readouterr().out
    assert printed.count("left out, 1 of at most") == 2  # each named once
    assert f"{own}/train/red/000.png" in printed
    lines = (tmp_path / "run" / "predictions.csv").read_text().splitlines()
    assert len(lines) == 1 + 11


def test_odd_images_are_read(own: Path) -> None:
    """16-bit, CMYK, alpha, gray and 1 x 1 images become RGB like all others."""
    random = np.random.default_rng(0)
    deep = random.integers(0, 65536, (30, 30), dtype=np.uint16)
    pictures = {
        "deep.png": Image.fromarray(deep),
        "ink.jpg": Image.new("CMYK", (30, 40), (10, 20, 30, 40)),
        "alpha.png": Image.new("RGBA", (33, 30), (9, 9, 9, 50)),
        "gray.png": Image.new("L", (30, 31), 77),
        "dot.png": Image.new("RGB", (1, 1), (200, 100, 50)),
    }
    shutil.rmtree(own / "train" / "red")
    (own / "train" / "red").mkdir()
    for name, picture in pictures.items():
        picture.save(own / "train" / "red" / name)
    config = tiny_config(own, augment__crop="resized")
    images = read_split(config.data, "train")
    squares = TrainSquares(config, (124, 116, 104))
    names = {Path(images.name(place)).name: place for place in range(len(images))}
    for name in pictures:
        square = squares.cut(images.read(names[name]), [0.5] * 41)
        assert square.shape == (24, 24, 3)
    dot = squares.cut(images.read(names["dot.png"]), [0.5] * 41)
    assert dot[0, 0].tolist() == [200, 100, 50]
