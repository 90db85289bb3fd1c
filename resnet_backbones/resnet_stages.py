"""Shared by the residual families: the plan of the stages, and a backbone made of stages. B images,
C channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from torch import Tensor, nn

from resnet_backbones.features import Backbone
from resnet_backbones.layers import conv_norm, make_norm
from resnet_backbones.resnet_blocks import BasicBlock, Bottleneck, Shape, conv3x3
from resnet_backbones.rows import Stage
from resnet_backbones.spec import BackboneSpec

Dilation = Literal["torchvision", "detectron2"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Stride, dilation and drop rate of one block."""

    stride: int
    first_dilation: int
    dilation: int
    drop_path: float


def plan_units(
    depths: Sequence[int],
    first_stride: int,
    output_stride: int,
    convention: Dilation,
    drop_path: float,
) -> Iterator[list[Unit]]:
    """Plan the units of each stage; the maps of the first stage have `first_stride`, and each next
    stage doubles it.

    Beyond `output_stride` a stage trades its stride for dilation. Its first block keeps the
    previous dilation in torchvision and timm, and has the new one in detectron2. Drop rates grow
    linearly with depth, up to `drop_path`.
    """
    starts = [0, *accumulate(depths)]
    for index, depth in enumerate(depths):
        full_stride = first_stride * 2**index
        dilation = max(1, full_stride // output_stride)
        previous = max(1, dilation // 2) if convention == "torchvision" else dilation
        stride = 2 if index and full_stride <= output_stride else 1
        yield [
            Unit(
                stride=stride if position == 0 else 1,
                first_dilation=previous if position == 0 else dilation,
                dilation=dilation,
                drop_path=drop_path * (starts[index] + position) / max(1, starts[-1] - 1),
            )
            for position in range(depth)
        ]


def make_stage(
    block: type[BasicBlock] | type[Bottleneck], shape: Shape, units: Sequence[Unit]
) -> Stage:
    """Make a stage of blocks; `shape` is that of the first, and `units` hold the values of each."""
    blocks = Stage()
    for unit in units:
        placed = replace(
            shape,
            stride=unit.stride,
            first_dilation=unit.first_dilation,
            dilation=unit.dilation,
            drop_path=unit.drop_path,
        )
        blocks.append(block(placed))
        shape = replace(shape, in_channels=shape.channels * block.expansion)
    return blocks


class StagedBackbone(Backbone):
    """A stem followed by stages of blocks; the output of each stage is a level."""

    stem_modules: tuple[str, ...]
    """Names of the modules before the first stage."""
    stage_of: dict[str, str]
    """Level -> name of the module that makes it, fine to coarse."""

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """Names of the modules to freeze for `freeze_through`; `stem` is before every level."""
        if level is None:
            return ()
        last = 0 if level == "stem" else int(level[1:])
        return (
            *self.stem_modules,
            *(stage for name, stage in self.stage_of.items() if int(name[1:]) <= last),
        )

    def run_stage(self, level: str, x: Tensor) -> Tensor:
        """Run the stage of a level on the map before it."""
        return self.get_submodule(self.stage_of[level])(x)  # type: ignore[no-any-return]


class SmallStemBackbone(StagedBackbone):
    """Stages after a 3x3 convolution of stride 1, as for images of 32 x 32 pixels."""

    def add_stem(self, spec: BackboneSpec, channels: int) -> None:
        """Add the modules before the first stage."""
        self.stem_modules = ("conv1", "bn1")
        self.conv1 = conv3x3(spec.in_channels, channels, 1, 1)
        self.bn1 = make_norm(spec.norm_name, channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        wanted = {level.name for level in self.levels}
        x = self.relu(conv_norm(self.conv1, self.bn1, images))  # (B, channels, H, W)
        features = {}
        for name in self.stage_of:
            x = self.run_stage(name, x)
            if name in wanted:
                features[name] = x
        return features
