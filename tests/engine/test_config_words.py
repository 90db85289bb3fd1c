"""The settings that words of a command line make."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.config_words import config_of_words
from tasks.segmentation.config import SegmentationConfig


def test_a_folder_is_the_data(tmp_path: Path) -> None:
    config = config_of_words(SegmentationConfig, [str(tmp_path), "data.exif=ignore"])
    assert config.data.root == str(tmp_path)
    assert config.data.exif == "ignore"


def test_a_folder_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "size=3"
    folder.mkdir()
    assert config_of_words(SegmentationConfig, [str(folder)]).data.root == str(folder)


def test_a_file_holds_settings(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {crop: 64}")
    assert config_of_words(SegmentationConfig, [str(file)]).data.crop == 64


def test_two_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a folder, or one settings file; got a, b"):
        config_of_words(SegmentationConfig, ["a", "b"])
