"""ResNet-18 and -34 for CIFAR against kuangliu's pytorch-cifar, written out here as published."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet_cifar import CifarOptions


class Block(nn.Module):
    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, blocks: tuple[int, int, int, int], num_classes: int = 10) -> None:
        super().__init__()
        self.in_planes = 64
        self.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = self._layer(64, blocks[0], 1)
        self.layer2 = self._layer(128, blocks[1], 2)
        self.layer3 = self._layer(256, blocks[2], 2)
        self.layer4 = self._layer(512, blocks[3], 2)
        self.linear = nn.Linear(512, num_classes)

    def _layer(self, planes: int, count: int, stride: int) -> nn.Sequential:
        layers = []
        for step in [stride] + [1] * (count - 1):
            layers.append(Block(self.in_planes, planes, step))
            self.in_planes = planes
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        out = F.avg_pool2d(out, 4)
        return self.linear(out.view(out.size(0), -1))


BLOCKS = {"resnet18_cifar": (2, 2, 2, 2), "resnet34_cifar": (3, 4, 6, 3)}


def _names(name: str) -> str:
    return name.replace("shortcut", "downsample").replace("linear", "fc")


@pytest.mark.parametrize("name", BLOCKS)
def test_logits_gradients_and_statistics_are_kuanglius(name: str) -> None:
    torch.manual_seed(1)
    theirs = Net(BLOCKS[name]).double()
    ours = create_classifier(name, num_classes=10).double()
    ours.load_state_dict({_names(key): x for key, x in theirs.state_dict().items()}, strict=True)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
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
