"""ResNet-18 and -34 for CIFAR against kuangliu's pytorch-cifar, written out as published."""

import pytest
import torch
from cifar_nets import BLOCKS, Net

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet_cifar import CifarOptions


def _names(name: str) -> str:
    return name.replace("shortcut", "downsample").replace("linear", "fc")


@pytest.mark.parametrize("name", BLOCKS)
def test_logits_gradients_and_statistics_are_kuanglius(name: str) -> None:
    torch.manual_seed(1)
    theirs = Net(BLOCKS[name]).double()
    ours = create_classifier(name, num_classes=10).double()
    ours.load_state_dict({_names(key): x for key, x in theirs.state_dict().items()}, strict=True)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected, logits = theirs(images), ours(images)
    torch.testing.assert_close(logits, expected)
    expected.square().sum().backward()
    logits.square().sum().backward()
    torch.testing.assert_close(
        ours.backbone.conv1.weight.grad, theirs.conv1.weight.grad, rtol=1e-4, atol=1e-6
    )
    state = ours.state_dict()
    for key, buffer in theirs.named_buffers():
        torch.testing.assert_close(state[_names(key)], buffer)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18_cifar", 11_173_962), ("resnet34_cifar", 21_282_122)]
)
def test_counts_are_the_published_ones(name: str, count: int) -> None:
    with torch.device("meta"):
        networks = create_classifier(name, num_classes=10), Net(BLOCKS[name])
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [count, count]


def test_levels_are_called_as_in_the_other_cifar_nets() -> None:
    with torch.device("meta"):
        levels = create_backbone("resnet18_cifar").levels
        part = create_backbone("resnet18_cifar", levels=["c2"])
    assert [(level.name, level.channels, level.stride) for level in levels] == [
        ("c1", 64, 1), ("c2", 128, 2), ("c3", 256, 4), ("c4", 512, 8)
    ]  # fmt: skip
    assert not hasattr(part, "layer3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_stride": 8}, "output_stride must be 32 for resnet18_cifar, whose coarsest"),
        ({"freeze_through": "c5"}, "c1, c2, c3 or c4 for resnet18_cifar, got c5"),
        ({"levels": ["c5"]}, "levels must be different names out of c1, c2, c3, c4, got"),
        ({"stride_in": "1x1"}, "stride_in must be 3x3 for resnet18_cifar"),
        ({"options": CifarOptions()}, "options must be None for resnet18_cifar"),
    ],
)
def test_what_it_cannot_do_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_backbone("resnet18_cifar", **arguments)
