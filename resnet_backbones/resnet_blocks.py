"""Residual blocks, their shortcuts and parts.

B images of C channels, H x W cells; N channels inside a block, whose output has K = N x expansion
channels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from resnet_backbones.layers import conv_norm, make_norm
from resnet_backbones.rows import Row
from resnet_backbones.spec import NormName, StrideIn

Shortcut = Literal["A", "A_centred", "B", "C", "none"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Shape of a block."""

    in_channels: int
    channels: int
    """N: channels of the block's inner convolutions, unless `groups` and `base_width` change
    them."""
    stride: int = 1
    stride_in: StrideIn = "3x3"
    first_dilation: int = 1
    """Dilation of the convolution that may carry the stride: in the first block of a dilated stage
    still that of the previous stage."""
    dilation: int = 1
    norm: NormName
    groups: int = 1
    """Groups of the 3x3 convolution (Xie et al. 2017)."""
    base_width: int = 64
    """Channels of each group per 64 of `channels`."""
    shortcut: Shortcut = "B"
    average: bool = False
    """Whether average pooling carries the projection's stride (He et al. 2019, ResNet-D)."""
    squeeze_excite: int | None = None
    """Reduction of squeeze-and-excitation; None for none."""
    drop_path: float = 0.0
    """Probability to drop the block's branch in training."""

    @property
    def inner(self) -> int:
        """Channels of a bottleneck's inner convolutions."""
        return self.channels * self.base_width // 64 * self.groups


class ResidualBlock(nn.Module):
    """Base of both blocks: how the branch joins the shortcut."""

    relu: nn.Module

    def add_shortcut(self, shape: Shape, out_channels: int) -> None:
        """Add the modules between the branch's last norm and the block's last ReLU."""
        reduction = shape.squeeze_excite
        self.se = None if reduction is None else SqueezeExcite(out_channels, reduction)
        self.drop_path = DropPath(shape.drop_path) if shape.drop_path > 0 else None
        self.plain = shape.shortcut == "none"
        if not self.plain:
            self.downsample = make_shortcut(shape, out_channels)

    def join(self, branch: Tensor, x: Tensor) -> Tensor:
        """The block's output (B, K, h, w) from its branch and its input (B, C, H, W); overwrites
        `branch`.
        """
        branch = branch if self.se is None else self.se(branch)
        branch = branch if self.drop_path is None else self.drop_path(branch)
        if self.plain:
            return self.relu(branch)  # type: ignore[no-any-return]
        total = branch.add_(x if self.downsample is None else self.downsample(x))
        return self.relu(total)  # type: ignore[no-any-return]


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions around a shortcut (He et al. 2016, fig. 5 left)."""

    expansion = 1

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner = shape.channels
        self.conv1 = conv3x3(shape.in_channels, inner, shape.stride, shape.first_dilation)
        self.bn1 = make_norm(shape.norm, inner)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(inner, inner, 1, shape.dilation)
        self.bn2 = make_norm(shape.norm, inner)
        self.add_shortcut(shape, inner * self.expansion)

    def last_norm(self) -> nn.Module:
        """The norm before the addition."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, h, w), h and w being H and W over the stride."""
        out = self.relu(conv_norm(self.conv1, self.bn1, x))
        return self.join(conv_norm(self.conv2, self.bn2, out), x)


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions around a shortcut (He et al. 2016, fig. 5 right)."""

    expansion = 4

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner, outer = shape.inner, shape.channels * self.expansion
        stride_1x1, stride_3x3 = (
            (shape.stride, 1) if shape.stride_in == "1x1" else (1, shape.stride)
        )
        self.conv1 = conv1x1(shape.in_channels, inner, stride_1x1)
        self.bn1 = make_norm(shape.norm, inner)
        self.conv2 = conv3x3(inner, inner, stride_3x3, shape.first_dilation, shape.groups)
        self.bn2 = make_norm(shape.norm, inner)
        self.conv3 = conv1x1(inner, outer, 1)
        self.bn3 = make_norm(shape.norm, outer)
        self.relu = nn.ReLU(inplace=True)
        self.add_shortcut(shape, outer)

    def last_norm(self) -> nn.Module:
        """The norm before the addition."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 N, h, w), h and w being H and W over the stride."""
        out = self.relu(conv_norm(self.conv1, self.bn1, x))
        out = self.relu(conv_norm(self.conv2, self.bn2, out))
        return self.join(conv_norm(self.conv3, self.bn3, out), x)


class ZeroPad(nn.Module):
    """Shortcut A: every `stride`-th cell, and zeros for the missing channels.

    The zeros follow the input's channels, as in fb.resnet.torch, or with `centred` lie on both
    sides of them, as in akamaster's pytorch_resnet_cifar10. Weights trained with one do not work
    with the other.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, centred: bool) -> None:
        super().__init__()
        missing = out_channels - in_channels
        self.before = missing // 2 if centred else 0
        self.after = missing - self.before
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        """Zeros on each side and the stride, for print()."""
        return f"{self.before} + {self.after} zeros, stride={self.stride}"


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation: scale each channel depending on the means of all channels (Hu et al.
    2018).

    Names are timm's, and so is the number of reduced channels: a multiple of 8, at least 8.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        reduced = max(8, (channels // reduction + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(channels, reduced, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        mean = x.mean((2, 3), keepdim=True)
        gate: Tensor = self.fc2(self.relu(self.fc1(mean)))
        return x * gate.sigmoid()


class DropPath(_DropoutNd):
    """Stochastic depth (Huang et al. 2016): in training the branch of an image is zero with
    probability p, otherwise scaled by 1 / (1 - p).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if not self.training:
            return x
        kept = torch.empty(x.shape[0], 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(
            1 - self.p
        )
        return x * (kept / (1 - self.p))


class DenseAverage(nn.Module):
    """ResNet-D's 2x2 average pooling, its stride traded for dilation, as in timm."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)


def conv1x1(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)


def conv3x3(
    in_channels: int, out_channels: int, stride: int, dilation: int, groups: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution without bias, whose padding keeps the size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, dilation, dilation, groups, bias=False)


def make_shortcut(shape: Shape, out_channels: int) -> nn.Module | None:
    """Make zero padding or a projection, as the option says; None is the identity."""
    same = shape.stride == 1 and shape.in_channels == out_channels
    if same and shape.shortcut != "C":
        return None
    if shape.shortcut in ("A", "A_centred"):
        return ZeroPad(
            shape.in_channels, out_channels, shape.stride, centred=shape.shortcut == "A_centred"
        )
    norm = make_norm(shape.norm, out_channels)
    if shape.average:
        return Row(_average(shape), conv1x1(shape.in_channels, out_channels, 1), norm)
    return Row(conv1x1(shape.in_channels, out_channels, shape.stride), norm)


def _average(shape: Shape) -> nn.Module:
    if shape.stride == 1:
        return DenseAverage() if shape.dilation > 1 else nn.Identity()
    return nn.AvgPool2d(2, shape.stride, ceil_mode=True, count_include_pad=False)
