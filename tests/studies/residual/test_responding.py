"""Which trained nets are found, and what of them is measured."""

from pathlib import Path

import class_data
import pytest
import torch
from tiny_classifier import tiny_config

from resnet_backbones.errors import UserError
from studies.residual.responding import TrainedNet, find_nets, last_map, read_pixels
from studies.residual.subsets import StudyImages
from tasks.classification.saved import SavedClassifier
from tasks.classification.train import run
from tasks.engine.launch import launch


def test_finished_nets_are_found_in_the_order_of_the_networks(tmp_path: Path) -> None:
    for name in ("plain20-0", "resnet20-1", "resnet20-0", "plain20-1", "resnet200-0"):
        (tmp_path / name / "full_test").mkdir(parents=True)
        (tmp_path / name / "full_test" / "evaluation.json").touch()
    (tmp_path / "plain20-1" / "full_test" / "evaluation.json").unlink()
    assert find_nets(tmp_path, ("resnet20", "plain20")) == [
        TrainedNet("resnet20", 0, tmp_path / "resnet20-0"),
        TrainedNet("resnet20", 1, tmp_path / "resnet20-1"),
        TrainedNet("plain20", 0, tmp_path / "plain20-0"),
    ]


def test_the_last_map_alone_is_that_of_the_trained_net(tmp_path: Path) -> None:
    root = class_data.folders(tmp_path / "data")
    launch(tiny_config(root, tmp_path / "run", schedule__steps=1), run)
    trained = SavedClassifier.read(tmp_path / "run" / "last.pt").build(torch.device("cpu")).backbone
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        found = last_map(tmp_path / "run" / "last.pt").eval()(images)
        expected = trained.eval()(images)["c3"]
    assert list(found) == ["c3"]
    assert torch.equal(found["c3"], expected)


def test_pixels_are_images_by_channel(tmp_path: Path) -> None:
    images = StudyImages(class_data.folders(tmp_path / "data"), tmp_path / "images")
    assert read_pixels(images, 5).shape == (5, 3, 24, 24)


def test_images_of_several_sizes_are_refused(tmp_path: Path) -> None:
    root = class_data.folders(tmp_path / "data")
    (root / "train" / "red" / "000.png").write_bytes(
        class_data.png(class_data.draw("val", 2, 0, 9))
    )
    with pytest.raises(UserError, match="images must have one size"):
        read_pixels(StudyImages(root, tmp_path / "images"), 18)
