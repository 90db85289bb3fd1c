"""ResNet (He et al. 2016) as a feature extractor, with torchvision's parameter names.

B images of C channels, H x W pixels; N channels inside a block, whose output has N x expansion channels.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from resnet_backbones.features import Backbone, FeatureLevel
from resnet_backbones.layers import NormName, conv_norm, init_residual, make_norm
from resnet_backbones.passport import Passport

StrideIn = Literal["3x3", "1x1"]
LEVELS = ("c1", "c2", "c3", "c4", "c5")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the blocks of a network differ in."""

    in_channels: int
    channels: int
    """N: channels of the block's inner convolutions."""
    stride: int
    stride_in: StrideIn
    first_dilation: int
    """Dilation at the place of the stride: in the first block of a dilated stage still the previous stage's."""
    dilation: int
    norm: NormName


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016, fig. 5 left)."""

    expansion = 1

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner = shape.channels
        self.conv1 = _conv3x3(shape.in_channels, inner, shape.stride, shape.first_dilation)
        self.bn1 = make_norm(shape.norm, inner)
        self.conv2 = _conv3x3(inner, inner, 1, shape.dilation)
        self.bn2 = make_norm(shape.norm, inner)
        self.downsample = _projection(shape, inner * self.expansion)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, N, h, w), h and w being H and W over the stride."""
        out = F.relu_(conv_norm(self.conv1, self.bn1, x))
        out = conv_norm(self.conv2, self.bn2, out)
        return F.relu_(out.add_(_shortcut(self.downsample, x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut (He et al. 2016, fig. 5 right)."""

    expansion = 4

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner, outer = shape.channels, shape.channels * self.expansion
        stride_1x1, stride_3x3 = (shape.stride, 1) if shape.stride_in == "1x1" else (1, shape.stride)
        self.conv1 = _conv1x1(shape.in_channels, inner, stride_1x1)
        self.bn1 = make_norm(shape.norm, inner)
        self.conv2 = _conv3x3(inner, inner, stride_3x3, shape.first_dilation)
        self.bn2 = make_norm(shape.norm, inner)
        self.conv3 = _conv1x1(inner, outer, 1)
        self.bn3 = make_norm(shape.norm, outer)
        self.downsample = _projection(shape, outer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, 4 N, h, w), h and w being H and W over the stride."""
        out = F.relu_(conv_norm(self.conv1, self.bn1, x))
        out = F.relu_(conv_norm(self.conv2, self.bn2, out))
        out = conv_norm(self.conv3, self.bn3, out)
        return F.relu_(out.add_(_shortcut(self.downsample, x)))


@dataclass(frozen=True)
class Variant:
    """A row of He et al. 2016, table 1."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]
    """Blocks in c2 … c5."""


VARIANTS = {
    "resnet18": Variant(BasicBlock, (2, 2, 2, 2)),
    "resnet34": Variant(BasicBlock, (3, 4, 6, 3)),
    "resnet50": Variant(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Variant(Bottleneck, (3, 4, 23, 3)),
    "resnet152": Variant(Bottleneck, (3, 8, 36, 3)),
}


class ResNet(Backbone):
    """Stem and the stages up to the coarsest asked level; parameters are called as in torchvision (`layer1.0.conv1`).

    c1 is the stem's output after its ReLU, before the max-pool. Where `output_stride` is 8 or 16, later stages trade
    their stride for dilation; the first block of such a stage keeps the previous dilation, as in torchvision and timm.
    """

    def __init__(
        self,
        name: str,
        *,
        levels: Sequence[str],
        norm: NormName,
        freeze_through: str | None,
        in_channels: int,
        output_stride: Literal[8, 16, 32],
        stride_in: StrideIn,
        checkpoint_activations: bool,
    ) -> None:
        variant = VARIANTS[name]
        if variant.block is BasicBlock and stride_in == "1x1":
            raise ValueError(f"stride_in must be 3x3 for {name}, whose blocks have no 1x1 convolution; got 1x1")
        outputs = _feature_levels(variant, levels, output_stride)
        passport = Passport(architecture=name, stride_in=stride_in).with_channels(in_channels)
        super().__init__(outputs, passport)
        self.checkpoint_activations = checkpoint_activations
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(norm, 64)
        stages = range(1, int(outputs[-1].name[1:]))  # 1 makes c2
        self.stage_of = {f"c{index + 1}": f"layer{index}" for index in stages}
        width = 64
        for index in stages:
            width = self._add_stage(variant, index, width, output_stride, stride_in, norm)
        init_residual(self)
        self.to(memory_format=torch.channels_last)
        self.freeze(self._modules_through(freeze_through))

    def _add_stage(
        self, variant: Variant, index: int, in_channels: int, output_stride: int, stride_in: StrideIn, norm: NormName
    ) -> int:
        """Add layer{index} and return the number of its output channels."""
        full_stride = 2 ** (index + 1)
        stride = 1 if index == 1 or full_stride > output_stride else 2
        dilation = max(1, full_stride // output_stride)
        channels = 32 * 2**index
        blocks = []
        for position in range(variant.depths[index - 1]):
            shape = Shape(
                in_channels=in_channels,
                channels=channels,
                stride=stride if position == 0 else 1,
                stride_in=stride_in,
                first_dilation=max(1, dilation // 2) if position == 0 else dilation,
                dilation=dilation,
                norm=norm,
            )
            blocks.append(variant.block(shape))
            in_channels = channels * variant.block.expansion
        self.add_module(f"layer{index}", nn.Sequential(*blocks))
        return in_channels

    def _modules_through(self, level: str | None) -> tuple[str, ...]:
        if level is None:
            return ()
        last = 1 if level == "stem" else int(level[1:])
        return ("conv1", "bn1", *(stage for name, stage in self.stage_of.items() if int(name[1:]) <= last))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        wanted = {level.name for level in self.levels}
        x = F.relu_(conv_norm(self.conv1, self.bn1, images))  # (B, 64, H / 2, W / 2)
        features = {"c1": x} if "c1" in wanted else {}
        for name, stage in self.stage_of.items():
            x = F.max_pool2d(x, 3, stride=2, padding=1) if name == "c2" else x
            x = self._run_stage(stage, x)
            if name in wanted:
                features[name] = x
        return features

    def _run_stage(self, name: str, x: Tensor) -> Tensor:
        recompute = self.checkpoint_activations and torch.is_grad_enabled() and name not in self._frozen_modules
        for block in self.get_submodule(name).children():
            x = _recomputed(block, x) if recompute else block(x)
        return x


def _feature_levels(variant: Variant, names: Sequence[str], output_stride: int) -> tuple[FeatureLevel, ...]:
    if not names or len(set(names)) != len(names) or not set(names) <= set(LEVELS):
        raise ValueError(f"levels must be different names out of {', '.join(LEVELS)}, got {tuple(names)}")
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}")
    channels = {"c1": 64} | {f"c{k}": 2 ** (k + 4) * variant.block.expansion for k in range(2, 6)}
    return tuple(
        FeatureLevel(name, channels[name], min(2 ** int(name[1:]), output_stride)) for name in LEVELS if name in names
    )


def _conv1x1(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)


def _projection(shape: Shape, out_channels: int) -> nn.Sequential | None:
    """The shortcut's 1x1 convolution and norm where the block changes the shape (option B), else None."""
    if shape.stride == 1 and shape.in_channels == out_channels:
        return None
    conv = _conv1x1(shape.in_channels, out_channels, shape.stride)
    return nn.Sequential(conv, make_norm(shape.norm, out_channels))


def _shortcut(projection: nn.Sequential | None, x: Tensor) -> Tensor:
    if projection is None:
        return x
    conv, norm = projection
    assert isinstance(conv, nn.Conv2d)
    return conv_norm(conv, norm, x)


def _recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """`block(x)`, whose activations are computed again in the backward pass instead of being kept."""
    counting = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.training]
    if not counting or torch.compiler.is_compiling():  # a compiled graph updates them once
        return checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)  # type: ignore[no-any-return]
    contexts = partial(_count_once, counting)
    return checkpoint(block, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)  # type: ignore[no-any-return]


def _count_once(norms: list[_BatchNorm]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of the first pass and of the recomputation; the second must not update running statistics again."""
    return nullcontext(), _on_copied_statistics(norms)


@contextmanager
def _on_copied_statistics(norms: list[_BatchNorm]) -> Iterator[None]:
    kept = [dict(norm._buffers) for norm in norms]
    for norm in norms:
        norm._buffers.update({name: buffer.clone() for name, buffer in norm._buffers.items() if buffer is not None})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)
