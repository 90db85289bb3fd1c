"""CIFAR nets as two much copied repositories write them: references, and what they save."""

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = {"resnet18_cifar": (2, 2, 2, 2), "resnet34_cifar": (3, 4, 6, 3)}


class Block(nn.Module):
    """kuangliu's and akamaster's basic block, which differ in the shortcut."""

    def __init__(self, in_planes: int, planes: int, stride: int, *, zeros: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        self.pad = None
        if (stride != 1 or in_planes != planes) and zeros:
            self.pad = planes // 4
        elif stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad is not None:
            return F.relu(out + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad)))
        return F.relu(out + self.shortcut(x))


class Net(nn.Module):
    """ResNet-18 and -34 of pytorch-cifar; with `zeros` ResNet-20 of pytorch_resnet_cifar10."""

    def __init__(
        self, blocks: tuple[int, ...], width: int = 64, zeros: bool = False, num_classes: int = 10
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for index, count in enumerate(blocks):
            planes = width * 2**index
            layers = []
            for step in [2 if index else 1] + [1] * (count - 1):
                layers.append(Block(channels, planes, step, zeros=zeros))
                channels = planes
            self.add_module(f"layer{index + 1}", nn.Sequential(*layers))
        self.count = len(blocks)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        for index in range(self.count):
            out = self.get_submodule(f"layer{index + 1}")(out)
        return self.linear(out.mean((2, 3)))
