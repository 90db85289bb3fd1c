from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resnet_backbones.classifier import create_classifier
from resnet_backbones.weights.saving import save_weights
from resnet_backbones.zoo import catalogue
from resnet_backbones.zoo.publish import Card, publish

CARD = Card(
    licence="Apache-2.0",
    data="trained on noise",
    figures={"top1": 0.25},
    command="backbones train noise",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of a classifier of two classes, in half precision."""
    torch.manual_seed(3)
    classifier = create_classifier("resnet20", num_classes=2)
    state = {
        name: x.half() if x.is_floating_point() else x
        for name, x in classifier.state_dict().items()
    }
    passport = replace(classifier.backbone.passport, mean=(0.1, 0.2, 0.3), label_map=("cat", "dog"))
    save_weights(tmp_path / "weights.safetensors", state, passport, commit="abc123")
    return tmp_path / "weights.safetensors"


@pytest.fixture
def zoo(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of published weights, `resnet20.noise`, in the place of the library's."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / catalogue.LIST).write_text("[]")
    publish(weights, "resnet20.noise", CARD, folder)
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    return folder
