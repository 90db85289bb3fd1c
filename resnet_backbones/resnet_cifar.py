"""The nets for 32 x 32 pixels of He et al. 2016, section 4.2: 6n + 2 layers, plain or residual, and
bottlenecks 9n + 2.

B images of C channels, H x W pixels. Names of parameters are those of torchvision's ResNets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, described, own_options, refuse_bottleneck_stride
from resnet_backbones.features import FeatureLevel
from resnet_backbones.layers import init_residual
from resnet_backbones.resnet_blocks import (
    BasicBlock,
    Bottleneck,
    Shape,
    Shortcut,
)
from resnet_backbones.resnet_stages import SmallStemBackbone, make_stage, plan_units
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

LEVELS = ("c1", "c2", "c3")
WIDTHS = (16, 32, 64)
"""Inner channels N of the blocks of c1 to c3."""
BASIC_DEPTHS = (20, 32, 44, 56, 110, 1202)
BOTTLENECK_DEPTHS = (164, 1001)


@dataclass(frozen=True, kw_only=True)
class CifarOptions:
    """Options of the residual CIFAR nets; the plain ones take none."""

    shortcut: Shortcut | None = None
    """Shortcut of blocks that change the shape: A pads zeros after the channels (fb.resnet.torch),
    A_centred on both sides of them (akamaster), B projects; C projects in every block. None is A
    for basic blocks and B for bottlenecks, as in He et al. 2016 and in Identity Mappings."""
    drop_path: float = 0.0
    """Probability to drop the last block's branch in training; it grows linearly with depth (Huang
    et al. 2016)."""

    def __post_init__(self) -> None:
        if self.shortcut not in (None, "A", "A_centred", "B", "C"):
            raise UserError(
                f"options.shortcut must be None, A, A_centred, B or C, got {self.shortcut!r}"
            )
        if not 0 <= self.drop_path < 1:
            raise UserError(f"options.drop_path must be in [0, 1), got {self.drop_path}")


OPTIONS = CifarOptions


class CifarResNet(SmallStemBackbone):
    """A 3x3 convolution and three stages: c1 has stride 1, c2 stride 2, c3 stride 4."""

    def __init__(self, spec: BackboneSpec) -> None:
        options = own_options(spec, CifarOptions)
        bottleneck, blocks = cifar_depth(spec.name)
        block = Bottleneck if bottleneck else BasicBlock
        outputs = cifar_levels(spec.levels, block.expansion)
        kind: Shortcut = options.shortcut or ("B" if bottleneck else "A")
        kind = "none" if spec.name.startswith("plain") else kind
        told = described(options, settled={"shortcut": None if kind == "none" else kind})
        passport = Passport(architecture=spec.name, stride_in=spec.stride_in, options=told)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.add_stem(spec, 16)
        self.stage_of = {name: f"layer{name[1:]}" for name in LEVELS if name <= outputs[-1].name}
        width = 16
        plan = plan_units((blocks,) * 3, 1, 32, "torchvision", options.drop_path)
        for path, channels, units in zip(self.stage_of.values(), WIDTHS, plan, strict=False):
            shape = Shape(
                in_channels=width,
                channels=channels,
                stride_in=spec.stride_in,
                norm=spec.norm_name,
                shortcut=kind,
            )
            self.add_module(path, make_stage(block, shape, units))
            width = channels * block.expansion
        init_residual(self)
        self.settle(spec)


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    options = own_options(spec, CifarOptions)
    if spec.name.startswith("plain") and options != CifarOptions():
        raise UserError(
            f"options of {spec.name}, which has no shortcuts, must be None, got {options}"
        )
    check_cifar(spec)


build = CifarResNet


def cifar_depth(name: str) -> tuple[bool, int]:
    """Whether a net has bottlenecks, and the number of blocks in each of its three stages, from the
    depth in its name.
    """
    depth = int("".join(filter(str.isdigit, name.removeprefix("resnetv2"))))
    return (True, (depth - 2) // 9) if depth in BOTTLENECK_DEPTHS else (False, (depth - 2) // 6)


def cifar_levels(names: Sequence[str] | None, expansion: int) -> tuple[FeatureLevel, ...]:
    """The requested levels, fine to coarse, all three for None."""
    chosen = choose_levels(LEVELS if names is None else names, LEVELS)
    places = {name: index for index, name in enumerate(LEVELS)}
    return tuple(
        FeatureLevel(name, WIDTHS[places[name]] * expansion, 2 ** places[name]) for name in chosen
    )


def check_cifar(spec: BackboneSpec) -> None:
    """Raise UserError for a setting that no net of stride 1 to 4 and 16 to 64 channels has."""
    if spec.norm == "group":
        raise UserError(
            f"norm must be auto, batch, frozen or sync for {spec.name}, whose 16 channels have no"
            " 32 groups"
        )
    if spec.freeze_through in ("c4", "c5"):
        raise UserError(
            f"freeze_through must be none, stem, c1, c2 or c3 for {spec.name}, got"
            f" {spec.freeze_through}"
        )
    if spec.output_stride != 32:
        raise UserError(
            f"output_stride must be 32 for {spec.name}, whose coarsest stride is 4, got"
            f" {spec.output_stride}"
        )
    if not cifar_depth(spec.name)[0]:
        refuse_bottleneck_stride(spec)
