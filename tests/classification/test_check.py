"""The check looks at what training reads."""

from pathlib import Path

import class_data
import pytest
from tiny_classifier import arguments

from tasks.classification.check import check_data
from tasks.cli.main import main


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text("task: classification\n")
    return file


def test_images_that_are_held_out_are_the_validation_split(tmp_path: Path, recipe: Path) -> None:
    root = class_data.folders(tmp_path / "data")
    words = [str(recipe), *arguments(root, data__holdout=4)]
    report, _ = check_data(words)
    sizes = {split.name: split.contents[0] for split in report.splits}
    assert sizes == {"train": "14 images, 3 classes", "val": "4 images, 3 classes"}


@pytest.mark.parametrize("holdout", [18, 99])
def test_more_held_out_images_than_there_are_are_refused_as_in_training(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str], holdout: int
) -> None:
    root = class_data.folders(tmp_path / "data")
    given = [str(recipe), *arguments(root, data__holdout=holdout)]
    said: dict[str, str] = {}
    for command in ("check", "train"):
        out = [] if command == "check" else [f"run.output_dir={tmp_path / 'run'}"]
        assert main([command, *given, *out]) == 2
        said[command] = capsys.readouterr().err
    assert f"has 18, got {holdout}" in said["check"]
    assert said["check"] == said["train"]
