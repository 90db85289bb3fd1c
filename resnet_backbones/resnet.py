"""ResNets (He et al. 2016) and their relatives as feature extractors, with torchvision's and timm's
parameter names.

B images of C channels, H x W pixels.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, described, own_options, refuse_bottleneck_stride
from resnet_backbones.features import FeatureLevel
from resnet_backbones.layers import init_residual, make_norm
from resnet_backbones.resnet_blocks import BasicBlock, Bottleneck, Shape, Shortcut
from resnet_backbones.resnet_stages import Dilation, StagedBackbone, make_stage, plan_units
from resnet_backbones.rows import Row, row_norm
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

LEVELS = ("c1", "c2", "c3", "c4", "c5")
WIDTHS = (64, 128, 256, 512)
"""Inner channels N of the blocks of c2 to c5."""


@dataclass(frozen=True, kw_only=True)
class ResNetOptions:
    """Options of ResNets, ResNeXts and wide ResNets; plain nets take `pool` and `dilation` only."""

    shortcut: Shortcut = "B"
    """Shortcut of blocks that change the shape: A pads zeros (`A_centred` on both sides), B
    projects; C projects in every block."""
    pool: Literal["padded", "caffe"] = "padded"
    """Max-pool of the stem: padded by 1, or as in Caffe without padding and with sizes rounded up,
    as the original weights need."""
    dilation: Dilation = "torchvision"
    """Dilation of the first block of a dilated stage: that of the previous stage, or the new one as
    in detectron2."""
    zero_init_residual: bool = False
    """Whether the last norm of each block starts at zero, so that the block starts as the identity
    (Goyal et al. 2017)."""
    drop_path: float = 0.0
    """Probability to drop the last block's branch in training; it grows linearly with depth (Huang
    et al. 2016)."""
    squeeze_excite: int | None = None
    """Reduction of squeeze-and-excitation, 16 in Hu et al. 2018; None for none."""

    def __post_init__(self) -> None:
        if self.shortcut not in ("A", "A_centred", "B", "C"):
            raise UserError(f"options.shortcut must be A, A_centred, B or C, got {self.shortcut!r}")
        if self.pool not in ("padded", "caffe"):
            raise UserError(f"options.pool must be padded or caffe, got {self.pool!r}")
        if self.dilation not in ("torchvision", "detectron2"):
            raise UserError(
                f"options.dilation must be torchvision or detectron2, got {self.dilation!r}"
            )
        if not 0 <= self.drop_path < 1:
            raise UserError(f"options.drop_path must be in [0, 1), got {self.drop_path}")
        if self.squeeze_excite is not None and self.squeeze_excite < 1:
            raise UserError(
                f"options.squeeze_excite must be None or >= 1, got {self.squeeze_excite}"
            )


OPTIONS = ResNetOptions


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A column of He et al. 2016, table 1, and changes of later papers."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]
    """Number of blocks in c2 … c5."""
    groups: int = 1
    base_width: int = 64
    deep_stem: bool = False
    """Three 3x3 convolutions in place of the 7x7 one (He et al. 2019, ResNet-C)."""
    average: bool = False
    """Average pooling before a projection with a stride (ResNet-D)."""
    plain: bool = False
    """Whether to leave the shortcuts out."""


DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BLOCK = {depth: BasicBlock if depth < 50 else Bottleneck for depth in DEPTHS}
VARIANTS = {
    **{f"resnet{depth}": Variant(block=BLOCK[depth], depths=DEPTHS[depth]) for depth in DEPTHS},
    **{
        f"resnet{d}c": Variant(block=BLOCK[d], depths=DEPTHS[d], deep_stem=True)
        for d in (50, 101, 152)
    },
    **{
        f"resnet{d}d": Variant(block=BLOCK[d], depths=DEPTHS[d], deep_stem=True, average=True)
        for d in DEPTHS
    },
    "resnext50_32x4d": Variant(block=Bottleneck, depths=DEPTHS[50], groups=32, base_width=4),
    "resnext101_32x8d": Variant(block=Bottleneck, depths=DEPTHS[101], groups=32, base_width=8),
    "resnext101_64x4d": Variant(block=Bottleneck, depths=DEPTHS[101], groups=64, base_width=4),
    "wide_resnet50_2": Variant(block=Bottleneck, depths=DEPTHS[50], base_width=128),
    "wide_resnet101_2": Variant(block=Bottleneck, depths=DEPTHS[101], base_width=128),
    "plain18": Variant(block=BasicBlock, depths=DEPTHS[18], plain=True),
    "plain34": Variant(block=BasicBlock, depths=DEPTHS[34], plain=True),
}


class ResNet(StagedBackbone):
    """Stem and the stages up to the coarsest requested level; parameters have torchvision's names
    (`layer1.0.conv1`).

    c1 is the stem's output after its ReLU, before the max-pool. With `output_stride` 8 or 16, later
    stages trade their stride for dilation; the first block of such a stage keeps the previous
    dilation, as in torchvision and timm, or with `ResNetOptions(dilation="detectron2")` has the new
    one.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        variant = VARIANTS[spec.name]
        options = own_options(spec, ResNetOptions)
        outputs = resnet_levels(variant, spec)
        told = described(options, spec.output_stride, {"shortcut": None} if variant.plain else {})
        passport = Passport(
            architecture=spec.name, stride_in=spec.stride_in, pool=options.pool, options=told
        )
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.stem_modules = ("conv1", "bn1")
        self.conv1 = _deep_stem(spec) if variant.deep_stem else _conv7x7(spec.in_channels)
        self.bn1 = make_norm(spec.norm_name, 64)
        self.relu = nn.ReLU(inplace=True)
        self.stage_of = {
            f"c{index + 1}": f"layer{index}" for index in range(1, int(outputs[-1].name[1:]))
        }
        if self.stage_of:
            self.maxpool = _max_pool(options)
        self._add_stages(variant, spec, options)
        init_residual(self)
        if options.zero_init_residual:
            zero_last_norms(self)
        self.settle(spec)

    def _add_stages(self, variant: Variant, spec: BackboneSpec, options: ResNetOptions) -> None:
        width = 64
        plan = plan_units(
            variant.depths, 4, spec.output_stride, options.dilation, options.drop_path
        )
        for path, channels, units in zip(self.stage_of.values(), WIDTHS, plan, strict=False):
            shape = Shape(
                in_channels=width,
                channels=channels,
                stride_in=spec.stride_in,
                norm=spec.norm_name,
                groups=variant.groups,
                base_width=variant.base_width,
                shortcut="none" if variant.plain else options.shortcut,
                average=variant.average,
                squeeze_excite=options.squeeze_excite,
            )
            self.add_module(path, make_stage(variant.block, shape, units))
            width = channels * variant.block.expansion

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        wanted = {level.name for level in self.levels}
        x = self.relu(row_norm(self.conv1, self.bn1, images))  # (B, 64, H / 2, W / 2)
        features = {"c1": x} if "c1" in wanted else {}
        for name in self.stage_of:
            x = self.run_stage(name, self.maxpool(x) if name == "c2" else x)
            if name in wanted:
                features[name] = x
        return features


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    variant = VARIANTS[spec.name]
    options = own_options(spec, ResNetOptions)
    if variant.block is BasicBlock:
        refuse_bottleneck_stride(spec)
    if variant.plain and options != ResNetOptions(pool=options.pool, dilation=options.dilation):
        raise UserError(
            f"options of {spec.name}, which has no shortcuts, must be pool and dilation only, got"
            f" {options}"
        )


build = ResNet


def zero_last_norms(module: nn.Module) -> None:
    """Set the last norm of every block to zero, so that blocks start as their shortcuts."""
    for block in module.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            weight = block.last_norm().weight
            assert isinstance(weight, Tensor)  # a buffer where norms are frozen
            nn.init.zeros_(weight)


def resnet_levels(variant: Variant, spec: BackboneSpec) -> tuple[FeatureLevel, ...]:
    """The requested levels, fine to coarse, c2 to c5 for None."""
    channels = dict(
        zip(LEVELS[1:], (width * variant.block.expansion for width in WIDTHS), strict=True)
    ) | {"c1": 64}
    chosen = choose_levels(spec.levels, LEVELS)
    return tuple(
        FeatureLevel(name, channels[name], min(2 ** int(name[1:]), spec.output_stride))
        for name in chosen
    )


def _conv7x7(in_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)


def _max_pool(options: ResNetOptions) -> nn.MaxPool2d:
    if options.pool == "caffe":
        return nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.MaxPool2d(3, 2, padding=1)


def _deep_stem(spec: BackboneSpec) -> Row:
    """Three convolutions; the norm of the last one is the net's `bn1`."""
    first = nn.Conv2d(spec.in_channels, 32, 3, stride=2, padding=1, bias=False)
    second, third = (nn.Conv2d(32, channels, 3, padding=1, bias=False) for channels in (32, 64))
    relus = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    return Row(
        *(first, make_norm(spec.norm_name, 32), relus[0]),
        *(second, make_norm(spec.norm_name, 32), relus[1]),
        third,
    )
