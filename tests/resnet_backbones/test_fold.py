"""Folded norms: the same features from a copy without them."""

import copy

import pytest
import torch
from torch import nn

from resnet_backbones.fold import fold_norms
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec


def fill_statistics(module: nn.Module) -> None:
    """Norms that change what they are given."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.2, 1.2)


@pytest.mark.parametrize(
    ("name", "norm", "left"),
    [
        ("resnet18", "frozen", 0),
        ("resnet50", "batch", 0),
        ("resnet18d", "batch", 1),  # the stem's last norm, which is no neighbour of its convolution
        ("resnet20", "batch", 0),
        ("vgg11_bn", "batch", 0),
        ("googlenet", "batch", 0),
    ],
)
def test_a_folded_backbone_has_the_features_of_one_with_norms(
    name: str, norm: str, left: int
) -> None:
    torch.manual_seed(0)
    backbone = build(BackboneSpec(name, norm=norm))
    fill_statistics(backbone)
    folded = fold_norms(backbone)
    assert (
        sum(isinstance(part, nn.BatchNorm2d | FrozenBatchNorm2d) for part in folded.modules())
        == left
    )
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        expected, found = backbone.eval()(image), folded(image)
    for level, features in expected.items():
        torch.testing.assert_close(
            found[level], features, rtol=1e-4, atol=1e-5 * features.abs().max().item()
        )


def test_the_original_stays_as_it_was() -> None:
    backbone = build(BackboneSpec("resnet18")).train()
    before = copy.deepcopy(backbone.state_dict())
    fold_norms(backbone)
    assert backbone.training
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert backbone.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_layout_is_kept(layout: torch.memory_format) -> None:
    folded = fold_norms(build(BackboneSpec("resnet18")).to(memory_format=layout))
    for conv in folded.modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1):
            assert conv.weight.is_contiguous(memory_format=layout)


def test_a_bias_is_folded_by_hand() -> None:
    """(3 x + 1 - 5) / sqrt(3 + 1) * 6 + 2 = 9 x - 10."""
    conv, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=1.0)
    for tensor, value in (
        (conv.weight, 3),
        (conv.bias, 1),
        (norm.running_mean, 5),
        (norm.running_var, 3),
    ):
        nn.init.constant_(tensor, value)  # type: ignore[arg-type]
    nn.init.constant_(norm.weight, 6)
    nn.init.constant_(norm.bias, 2)
    folded = fold_norms(nn.Sequential(conv, norm))
    assert folded[0].weight.item() == pytest.approx(9)
    assert folded[0].bias.item() == pytest.approx(-10)
    assert isinstance(folded[1], nn.Identity)


def test_norms_that_follow_no_convolution_or_vary_stay() -> None:
    before = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4))
    folded = fold_norms(before)
    assert [type(part) for part in folded] == [type(part) for part in before]


def test_a_norm_named_before_its_convolution_stays() -> None:
    class Preactivated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
            self.bn2, self.conv2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)

    assert isinstance(fold_norms(Preactivated()).bn2, nn.BatchNorm2d)
