"""Weights files and passports of version 0.1.0 are read; see `tests/frozen/0.1.0/README.md`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from resnet_backbones.from_file import load_backbone
from resnet_backbones.registry import build, create_backbone, make_options
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.contradictions import check_passport
from resnet_backbones.weights.passport import Passport

FROZEN = Path(__file__).parents[2] / "frozen" / "0.1.0" / "weights"
FEATURES: dict[str, list[float]] = json.loads((FROZEN / "features.json").read_text())
PASSPORTS: dict[str, dict[str, Any]] = json.loads((FROZEN / "passports.json").read_text())
OPTIONS: dict[str, dict[str, Any]] = {
    "resnet20": {"shortcut": "B"},
    "resnetv2_20": {"order": "relu_before", "gate": "constant"},
    "resnet18": {"pool": "caffe"},
}


def seen(features: torch.Tensor) -> list[float]:
    """What was noted of a level: mean, deviation, first and last value."""
    corners = features[0, 0, 0, 0].item(), features[1, -1, -1, -1].item()
    return [features.mean().item(), features.std().item(), *corners]


@pytest.mark.parametrize("name", FEATURES)
def test_a_file_gives_the_features_that_it_gave(name: str) -> None:
    file = str(FROZEN / f"{name}.safetensors")
    options = make_options(name, OPTIONS.get(name, {}))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for backbone in (
        create_backbone(name, weights=file, levels=["c1"], options=options),
        load_backbone(file, levels=["c1"]),
    ):
        with torch.no_grad():
            features = backbone.eval()(images)["c1"]
        assert seen(features) == pytest.approx(FEATURES[name], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", PASSPORTS)
def test_a_passport_is_of_todays_network(name: str) -> None:
    passport = Passport.from_json(json.dumps(PASSPORTS[name]))
    with torch.device("meta"):
        backbone = build(BackboneSpec(name))
    check_passport(passport, backbone, "a file of 0.1.0")
    today = json.loads(backbone.passport.to_json())
    assert {field: today[field] for field in PASSPORTS[name]} == PASSPORTS[name]
