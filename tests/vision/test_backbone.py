"""The backbone in a checkpoint of any task, and what is built from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from classifier_checkpoint import MEAN, STD, TINY_NETWORK, save_classifier, tiny_classifier
from saved_detector import save_detector
from tiny_detector import tiny_detector

from resnet_backbones.errors import UserError
from resnet_backbones.layers import FrozenBatchNorm2d
from tasks.engine.checkpoint import Checkpoints, read_checkpoint
from tasks.engine.progress import Progress
from tasks.vision.backbone import backbone_source, build_from_config
from tasks.vision.settings import BackboneConfig

CONFIG = BackboneConfig(backbone=TINY_NETWORK, weights="runs/r50")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that trained a classifier."""
    return save_classifier(tmp_path_factory.mktemp("run"), tiny_classifier())


def test_a_classifiers_checkpoint_has_its_names_and_its_passport(run: Path) -> None:
    found = backbone_source(read_checkpoint(run))
    assert found.tensors.keys() == tiny_classifier().state_dict().keys()
    assert found.passport is not None
    assert (found.passport.mean, found.passport.std) == (MEAN, STD)
    assert found.passport.source == str(run / "best.pt")
    assert found.passport.recipe == "classification, 7 steps from trained from scratch"
    assert found.notes == ("from a checkpoint of classification, step 7",)


def test_the_moving_average_is_taken_where_there_is_one(tmp_path: Path) -> None:
    classifier = tiny_classifier()
    averaged = {name: 2 * x for name, x in classifier.state_dict().items()}
    save_classifier(tmp_path, classifier, averaged=averaged)
    found = backbone_source(read_checkpoint(tmp_path))
    assert torch.equal(found.tensors["conv1.0.weight"], averaged["conv1.0.weight"])
    assert found.notes == ("from a checkpoint of classification, step 7, moving average",)


def test_a_detectors_checkpoint_gives_its_backbone_alone(tmp_path: Path) -> None:
    found = backbone_source(read_checkpoint(save_detector(tmp_path)))
    expected = tiny_detector().backbone.state_dict()
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], x) for name, x in expected.items())


def test_a_checkpoint_without_a_passport_is_refused(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Checkpoints(tmp_path, {"task": "colour"}).save(("last.pt",), Progress(), model, None, optimizer)
    with pytest.raises(UserError, match="must state its passport, but does not"):
        backbone_source(read_checkpoint(tmp_path))


def test_what_was_found_is_built_and_the_head_told_as_left_over(run: Path) -> None:
    backbone = build_from_config(CONFIG, None, backbone_source(read_checkpoint(run)))
    trained = tiny_classifier().state_dict()
    state = backbone.state_dict()
    assert all(torch.equal(x, trained[name]) for name, x in state.items())
    assert backbone.passport.mean == MEAN
    assert str(backbone.report).startswith(f"weights {run / 'best.pt'}: ")
    assert "left over: fc.weight, fc.bias" in str(backbone.report)


def test_another_network_is_refused(run: Path) -> None:
    config = BackboneConfig(backbone="resnet18", weights="runs/r50")
    message = r"best\.pt must be of resnet18, got timm:test_resnet; set model\.backbone=timm:test_r"
    with pytest.raises(UserError, match=message):
        build_from_config(config, None, backbone_source(read_checkpoint(run)))


def test_another_stride_is_refused(tmp_path: Path) -> None:
    save_classifier(tmp_path, tiny_classifier(), stride_in="1x1")
    with pytest.raises(UserError, match=r"got stride_in=3x3; set model\.stride_in=1x1"):
        build_from_config(CONFIG, None, backbone_source(read_checkpoint(tmp_path)))


def test_norms_are_frozen_through_c2_as_with_any_weights(run: Path) -> None:
    config = BackboneConfig(backbone="resnet18", weights="runs/r18")
    found = backbone_source(
        read_checkpoint(save_classifier(run / "r18", tiny_classifier("resnet18")))
    )
    backbone = build_from_config(config, None, found)
    assert isinstance(backbone.bn1, FrozenBatchNorm2d)
    assert {name.partition(".")[0] for name in backbone.frozen_names()} == {"conv1", "layer1"}
