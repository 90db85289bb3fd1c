"""Freezing: which parameters, and that it holds."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from resnet_backbones.features import Backbone
from resnet_backbones.registry import create_backbone

LEVELS = ["c2", "c3"]


def _statistics(backbone: Backbone) -> dict[str, torch.Tensor]:
    return {
        name: buffer.clone() for name, buffer in backbone.named_buffers() if "running_mean" in name
    }


def _moved(backbone: Backbone) -> set[str]:
    """Parts whose batch statistics change in a training-mode forward pass."""
    before = _statistics(backbone)
    backbone(torch.randn(2, 3, 32, 32))
    return {
        name.partition(".")[0]
        for name, value in _statistics(backbone).items()
        if not value.equal(before[name])
    }


@pytest.mark.parametrize(
    ("through", "frozen"),
    [
        (None, set()),
        ("none", set()),
        ("stem", {"conv1", "bn1"}),
        ("c2", {"conv1", "bn1", "layer1"}),
        ("c3", {"conv1", "bn1", "layer1", "layer2"}),
        ("c5", {"conv1", "bn1", "layer1", "layer2"}),
    ],
)
def test_freeze_through_freezes_everything_up_to_a_level(
    through: str | None, frozen: set[str]
) -> None:
    backbone = create_backbone("resnet18", levels=LEVELS, freeze_through=through)
    assert {name.partition(".")[0] for name in backbone.frozen_names()} == frozen


def test_frozen_stages_keep_their_batch_statistics_in_training_mode() -> None:
    backbone = create_backbone("resnet18", levels=LEVELS, freeze_through="c2").eval().train()
    assert _moved(backbone) == {"layer2"}


def test_freezing_holds_through_a_parent_and_deepcopy_and_ema() -> None:
    backbone = create_backbone("resnet18", levels=LEVELS, freeze_through="c2")
    copied = copy.deepcopy(torch.nn.Sequential(backbone)).train()[0]
    averaged = AveragedModel(backbone).train().module
    for other in (copied, averaged):
        assert other.frozen_names() == backbone.frozen_names()
        assert _moved(other) == {"layer2"}


def test_frozen_parameters_get_no_gradient_and_the_others_do() -> None:
    backbone = create_backbone("resnet18", levels=LEVELS, freeze_through="c2").train()
    sum(feature.sum() for feature in backbone(torch.randn(2, 3, 32, 32)).values()).backward()
    without = {name for name, parameter in backbone.named_parameters() if parameter.grad is None}
    assert without == set(backbone.frozen_names())
