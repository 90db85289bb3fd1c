"""The archives of images that studies train on."""

import zipfile
from pathlib import Path

import class_data
import numpy as np
import pytest
from class_data import NAMES

from resnet_backbones.errors import UserError
from studies.residual.subsets import StudyImages


@pytest.fixture
def images(tmp_path: Path) -> StudyImages:
    return StudyImages(class_data.folders(tmp_path / "data"), tmp_path / "images")


def names(path: Path) -> list[str]:
    return zipfile.ZipFile(path).namelist()


def test_all_images_of_a_split_keep_their_bytes(images: StudyImages) -> None:
    found = images.archive("val")
    assert found.images == 12
    archive = zipfile.ZipFile(found.path)
    written = [archive.read(name) for name in archive.namelist()]
    assert written == [class_data.png(pixels) for _, _, pixels in class_data.rows("val")]


def test_a_part_is_the_same_whenever_it_is_drawn(images: StudyImages, tmp_path: Path) -> None:
    again = StudyImages(images.root, tmp_path / "again")
    one, other = images.archive("train", 7), again.archive("train", 7)
    assert one.images == len(names(one.path)) == 7
    assert one.path.read_bytes() == other.path.read_bytes()


def test_a_part_is_drawn_among_all_classes(images: StudyImages) -> None:
    folders = {name.split("/")[0] for name in names(images.archive("train", 9).path)}
    assert folders == set(NAMES)


def test_more_than_there_are_is_all(images: StudyImages) -> None:
    assert images.archive("train", 1000).images == 18


def test_a_data_set_of_arrays_is_written_as_images(tmp_path: Path) -> None:
    root = class_data.cifar(tmp_path / "cifar")
    found = StudyImages(root, tmp_path / "images").archive("val")
    assert names(found.path)[0] == "blue/000000.png"


def test_pixels_are_those_of_a_part(images: StudyImages) -> None:
    (pixels,) = images.pixels("val", 1)
    drawn = [drawn for _, _, drawn in class_data.rows("val")]
    assert any(np.array_equal(pixels, other) for other in drawn)


def test_another_data_set_is_refused(images: StudyImages, tmp_path: Path) -> None:
    images.archive("train")
    other = StudyImages(class_data.folders(tmp_path / "other"), images.folder)
    with pytest.raises(UserError, match="a study keeps its data set"):
        other.archive("train")
