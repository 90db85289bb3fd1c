"""ResNets with full pre-activation for ImageNet (He et al. 2016, Identity Mappings), with timm's
parameter names.

B images of C channels, H x W pixels; N channels inside a block, K out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import described, own_options, refuse_bottleneck_stride
from resnet_backbones.features import Head
from resnet_backbones.layers import conv_norm, init_residual, make_norm
from resnet_backbones.resnet import BLOCK, DEPTHS, WIDTHS, Variant, resnet_levels
from resnet_backbones.resnet_blocks import DropPath, Shape, conv1x1, conv3x3
from resnet_backbones.resnet_stages import Dilation, StagedBackbone, plan_units
from resnet_backbones.rows import Row, Stage, Taps
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport


@dataclass(frozen=True, kw_only=True)
class PreActOptions:
    """Options of pre-activation ResNets for ImageNet."""

    dilation: Dilation = "torchvision"
    """Dilation of the first block of a dilated stage: that of the previous stage, or the new one as
    in detectron2."""
    drop_path: float = 0.0
    """Probability to drop the last block's branch in training; it grows linearly with depth (Huang
    et al. 2016)."""

    def __post_init__(self) -> None:
        if self.dilation not in ("torchvision", "detectron2"):
            raise UserError(
                f"options.dilation must be torchvision or detectron2, got {self.dilation!r}"
            )
        if not 0 <= self.drop_path < 1:
            raise UserError(f"options.drop_path must be in [0, 1), got {self.drop_path}")


OPTIONS = PreActOptions


class PreActBlock(nn.Module):
    """Norm and ReLU before each convolution; the shortcut is the identity, or a projection of the
    activated input.
    """

    def __init__(self, shape: Shape, *, bottleneck: bool) -> None:
        super().__init__()
        inner, outer = shape.channels, shape.channels * (4 if bottleneck else 1)
        same = shape.stride == 1 and shape.in_channels == outer
        self.downsample = None if same else Projection(shape.in_channels, outer, shape.stride)
        widths = (shape.in_channels, inner, inner) if bottleneck else (shape.in_channels, inner)
        for index, width in enumerate(widths):
            self.add_module(f"norm{index + 1}", make_norm(shape.norm, width))
        stride_1x1, stride_3x3 = (
            (shape.stride, 1) if shape.stride_in == "1x1" else (1, shape.stride)
        )
        if bottleneck:
            self.conv1 = conv1x1(shape.in_channels, inner, stride_1x1)
            self.conv2 = conv3x3(inner, inner, stride_3x3, shape.first_dilation)
            self.conv3 = conv1x1(inner, outer, 1)
        else:
            self.conv1 = conv3x3(shape.in_channels, inner, shape.stride, shape.first_dilation)
            self.conv2 = conv3x3(inner, outer, 1, shape.dilation)
        self.relu = nn.ReLU()  # not in place: a norm before it may be replaced by the identity
        self.count = len(widths)
        self.drop_path = DropPath(shape.drop_path) if shape.drop_path > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w), the sum before any activation."""
        out = activated = self.relu(self.get_submodule("norm1")(x))
        for index in range(1, self.count):
            conv = self.get_submodule(f"conv{index}")
            out = self.relu(conv_norm(conv, self.get_submodule(f"norm{index + 1}"), out))
        branch: Tensor = self.get_submodule(f"conv{self.count}")(out)
        branch = branch if self.drop_path is None else self.drop_path(branch)
        return branch.add_(x if self.downsample is None else self.downsample(activated))


class Projection(nn.Module):
    """1x1 convolution of the shortcut; the next block's norm follows it."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = conv1x1(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w)."""
        return self.conv(x)  # type: ignore[no-any-return]


class PreActResNet(StagedBackbone):
    """Stem and the stages up to the coarsest requested level; parameters have timm's names
    (`stages.0.blocks.0.conv1`).

    c1 is the stem's convolution, before any norm. c2 to c4 are sums before any activation, as in
    timm; c5 comes after the last norm and ReLU.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        options = own_options(spec, PreActOptions)
        depth = _depth(spec)
        variant = Variant(block=BLOCK[depth], depths=DEPTHS[depth])
        outputs = resnet_levels(variant, spec)
        told = described(options, spec.output_stride)
        passport = Passport(architecture=spec.name, stride_in=spec.stride_in, options=told)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.stem_modules = ("stem",)
        self.stem = Row()
        self.stem.add_module(
            "conv", nn.Conv2d(spec.in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        )
        self.stage_of = {
            f"c{index + 2}": f"stages.{index}.blocks"
            for index in range(int(outputs[-1].name[1:]) - 1)
        }
        if self.stage_of:
            self.stem.add_module("pool", nn.MaxPool2d(3, 2, padding=1))
        self.stages = Row()
        self._add_stages(variant, spec, options)
        if outputs[-1].name == "c5":
            self.norm = make_norm(spec.norm_name, outputs[-1].channels)
            self.relu = nn.ReLU()
        init_residual(self)
        self.settle(spec)

    def _add_stages(self, variant: Variant, spec: BackboneSpec, options: PreActOptions) -> None:
        width = 64
        bottleneck = variant.block.expansion > 1
        plan = plan_units(
            variant.depths, 4, spec.output_stride, options.dilation, options.drop_path
        )
        for _, channels, units in zip(self.stage_of, WIDTHS, plan, strict=False):
            blocks = Stage()
            for unit in units:
                shape = Shape(
                    in_channels=width,
                    channels=channels,
                    stride=unit.stride,
                    stride_in=spec.stride_in,
                    first_dilation=unit.first_dilation,
                    dilation=unit.dilation,
                    norm=spec.norm_name,
                    drop_path=unit.drop_path,
                )
                blocks.append(PreActBlock(shape, bottleneck=bottleneck))
                width = channels * variant.block.expansion
            stage = nn.Sequential()
            stage.add_module("blocks", blocks)
            self.stages.append(stage)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        stem = Taps({"conv": "c1"})
        stages = Taps({path.split(".")[1]: level for level, path in self.stage_of.items()})
        x = self.stages(self.stem(images, taps=stem), taps=stages)
        maps = {**stem.maps, **stages.maps}
        if "c5" in maps:
            maps["c5"] = self.relu(self.norm(x))
        return {level.name: maps[level.name] for level in self.levels}

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """As in any net of stages; the last norm belongs to c5."""
        last = ("norm",) if level == "c5" and "c5" in self.stage_of else ()
        return (*super().modules_through(level), *last)

    def classifier_head(self, num_classes: int) -> Head:
        """A 1x1 convolution called `head.fc`, as in timm."""
        head = nn.Sequential()
        head.add_module("fc", nn.Conv2d(self.levels[-1].channels, num_classes, 1))
        return ConvHead(self.levels[-1].name, {"head": head})


class ConvHead(Head):
    """A 1x1 convolution on the mean over the coarsest map."""

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"main": (B, K)} for K classes."""
        pooled = maps[self.level].mean((2, 3), keepdim=True)
        return {"main": self["head"](pooled).flatten(1)}


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    own_options(spec, PreActOptions)
    if _depth(spec) < 50:
        refuse_bottleneck_stride(spec)


build = PreActResNet


def _depth(spec: BackboneSpec) -> int:
    return int(spec.name.rpartition("_")[2])
