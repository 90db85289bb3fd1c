"""The CIFAR nets of Identity Mappings in Deep Residual Networks (He et al. 2016): activation orders
and shortcuts.

B images of C channels, H x W pixels; N channels inside a unit, K out of it. Names of parameters are
those of the other CIFAR nets, the last norm being `norm`.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import described, own_options
from resnet_backbones.layers import conv_norm, init_residual, make_norm
from resnet_backbones.resnet_blocks import (
    DropPath,
    Shape,
    Shortcut,
    conv1x1,
    conv3x3,
    make_shortcut,
)
from resnet_backbones.resnet_cifar import LEVELS, WIDTHS, check_cifar, cifar_depth, cifar_levels
from resnet_backbones.resnet_stages import StagedBackbone, plan_units
from resnet_backbones.rows import Row, Stage
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

Order = Literal["original", "norm_after", "relu_before", "relu_only", "full"]
Gate = Literal["none", "constant", "exclusive", "shortcut_only", "dropout"]
PRE = ("relu_only", "full")
"""Orders whose activation comes before the convolutions."""


@dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """Options of the CIFAR nets `resnetv2_…`; table 1 of the paper is `order="original"` on
    resnetv2_110.
    """

    order: Order = "full"
    """Table 2: (a) `original`, (b) norm after addition, (c) ReLU before addition, (d) ReLU-only and
    (e) full pre-activation."""
    shortcut: Shortcut | None = None
    """A, A_centred, B or C as in `CifarOptions`; C is the 1x1 convolutions of table 1. None is A
    for basic blocks and B for bottlenecks."""
    gate: Gate = "none"
    """Table 1, how the shortcut is scaled: by a constant, by a gate 1 - g with g on the branch
    (`exclusive`) or without it, or by dropout."""
    shortcut_scale: float = 0.5
    """Scale of the shortcut with `gate="constant"`."""
    branch_scale: float = 1.0
    """Scale of the branch with `gate="constant"`; 0.5 and 1 in table 1."""
    gate_bias: float = -6.0
    """Initial bias of the gates; 0 to -10 in table 1."""
    dropout: float = 0.5
    """Probability of dropout with `gate="dropout"`."""
    drop_path: float = 0.0
    """Probability to drop the last unit's branch in training; it grows linearly with depth (Huang
    et al. 2016)."""

    def __post_init__(self) -> None:
        if self.order not in ("original", "norm_after", "relu_before", "relu_only", "full"):
            known = "original, norm_after, relu_before, relu_only or full"
            raise UserError(f"options.order must be {known}, got {self.order!r}")
        if self.shortcut not in (None, "A", "A_centred", "B", "C"):
            raise UserError(
                f"options.shortcut must be None, A, A_centred, B or C, got {self.shortcut!r}"
            )
        if self.gate not in ("none", "constant", "exclusive", "shortcut_only", "dropout"):
            known = "none, constant, exclusive, shortcut_only or dropout"
            raise UserError(f"options.gate must be {known}, got {self.gate!r}")
        if not 0 <= self.drop_path < 1 or not 0 <= self.dropout < 1:
            seen = f"{self.drop_path} and {self.dropout}"
            raise UserError(f"options.drop_path and options.dropout must be in [0, 1), got {seen}")


OPTIONS = IdentityOptions


class Unit(nn.Module):
    """One residual unit in any activation order (fig. 4) and with any shortcut (fig. 2) of the
    paper.

    The first unit of a pre-activation net gets an activated input and has no first activation of
    its own. If a unit changes the shape, its shortcut starts from the activated input too, as in
    the authors' code.
    """

    def __init__(
        self, shape: Shape, options: IdentityOptions, *, bottleneck: bool, first: bool
    ) -> None:
        super().__init__()
        self.order = options.order
        self.first = first
        outer = shape.channels * (4 if bottleneck else 1)
        convs = _convs(shape, outer, bottleneck)
        self.convs = len(convs)
        for index, conv in enumerate(convs):
            width = conv.in_channels if options.order == "full" else conv.out_channels
            if index > 0 or not first or options.order != "full":
                self.add_module(f"bn{index + 1}", make_norm(shape.norm, width))
        for index, conv in enumerate(convs):
            self.add_module(f"conv{index + 1}", conv)
        self.relu = nn.ReLU()  # not in place: a norm before it may be replaced by the identity
        self.changes_shape = shape.stride > 1 or shape.in_channels != outer
        self.downsample = _shortcut(shape, outer, normed=options.order != "full")
        self.junction = Junction(shape, outer, options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w)."""
        activated = self._activate(x)
        source = activated if self.changes_shape else x
        branch = self._full_branch(activated) if self.order == "full" else self._branch(activated)
        shortcut = source if self.downsample is None else self.downsample(source)
        total: Tensor = self.junction(branch, shortcut, source)
        if self.order == "norm_after":
            total = self.get_submodule(f"bn{self.convs}")(total)
        return self.relu(total) if self.order in ("original", "norm_after") else total

    def _activate(self, x: Tensor) -> Tensor:
        if self.first or self.order not in PRE:
            return x
        normed: Tensor = self.get_submodule("bn1")(x) if self.order == "full" else x
        return self.relu(normed)  # type: ignore[no-any-return]

    def _full_branch(self, x: Tensor) -> Tensor:
        for index in range(1, self.convs):
            x = self.relu(self._conv_norm(index, f"bn{index + 1}", x))
        return self.get_submodule(f"conv{self.convs}")(x)  # type: ignore[no-any-return]

    def _branch(self, x: Tensor) -> Tensor:
        for index in range(1, self.convs):
            x = self.relu(self._conv_norm(index, f"bn{index}", x))
        if self.order == "norm_after":
            return self.get_submodule(f"conv{self.convs}")(x)  # type: ignore[no-any-return]
        x = self._conv_norm(self.convs, f"bn{self.convs}", x)
        return self.relu(x) if self.order == "relu_before" else x

    def _conv_norm(self, index: int, norm: str, x: Tensor) -> Tensor:
        return conv_norm(self.get_submodule(f"conv{index}"), self.get_submodule(norm), x)


class Junction(nn.Module):
    """Joins branch and shortcut: adds them, after scaling, gating or dropout (fig. 2)."""

    def __init__(self, shape: Shape, out_channels: int, options: IdentityOptions) -> None:
        super().__init__()
        self.kind = options.gate
        self.scales = (options.branch_scale, options.shortcut_scale)
        self.drop_path = DropPath(shape.drop_path) if shape.drop_path > 0 else None
        self.dropout = nn.Dropout(options.dropout) if options.gate == "dropout" else None
        if options.gate in ("exclusive", "shortcut_only"):
            self.gate = nn.Conv2d(shape.in_channels, out_channels, 1, shape.stride)
            nn.init.constant_(self.gate.bias, options.gate_bias)  # type: ignore[arg-type]

    def forward(self, branch: Tensor, shortcut: Tensor, source: Tensor) -> Tensor:
        """Branch and shortcut (B, K, h, w) each -> their sum; gates read the unit's input `source`
        (B, C, H, W).
        """
        branch = branch if self.drop_path is None else self.drop_path(branch)
        if self.kind == "constant":
            return branch * self.scales[0] + shortcut * self.scales[1]
        if self.kind in ("exclusive", "shortcut_only"):
            gate: Tensor = self.gate(source).sigmoid()
            return (branch * gate if self.kind == "exclusive" else branch) + shortcut * (1 - gate)
        return branch + (shortcut if self.dropout is None else self.dropout(shortcut))


class IdentityResNet(StagedBackbone):
    """A 3x3 convolution and three stages of units: c1 has stride 1, c2 stride 2, c3 stride 4.

    With pre-activation c1 and c2 are sums before any activation, and c3 comes after the net's last
    activation.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        options = own_options(spec, IdentityOptions)
        bottleneck, blocks = cifar_depth(spec.name)
        outputs = cifar_levels(spec.levels, 4 if bottleneck else 1)
        kind: Shortcut = options.shortcut or ("B" if bottleneck else "A")
        unused = (
            {} if options.gate == "constant" else {"shortcut_scale": None, "branch_scale": None}
        )
        told = described(options, settled={"shortcut": kind, **unused})
        passport = Passport(architecture=spec.name, stride_in=spec.stride_in, options=told)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.order = options.order
        self.stem_modules = ("conv1", "bn1")
        self.conv1 = conv3x3(spec.in_channels, 16, 1, 1)
        self.bn1 = make_norm(spec.norm_name, 16)
        self.relu = nn.ReLU(inplace=True)
        self.stage_of = {
            level: f"layer{level[1:]}" for level in LEVELS if level <= outputs[-1].name
        }
        width = 16
        plan = plan_units((blocks,) * 3, 1, 32, "torchvision", options.drop_path)
        for path, channels, places in zip(self.stage_of.values(), WIDTHS, plan, strict=False):
            units = Stage()
            for place in places:
                shape = Shape(
                    in_channels=width,
                    channels=channels,
                    stride=place.stride,
                    stride_in=spec.stride_in,
                    norm=spec.norm_name,
                    shortcut=kind,
                    drop_path=place.drop_path,
                )
                first = path == "layer1" and not len(units)
                units.append(Unit(shape, options, bottleneck=bottleneck, first=first))
                width = channels * (4 if bottleneck else 1)
            self.add_module(path, units)
        normed = self.order == "full" and "c3" in self.stage_of
        self.norm = make_norm(spec.norm_name, width) if normed else None
        activated = self.order in PRE and "c3" in self.stage_of
        self.last_relu = nn.ReLU() if activated else None
        init_residual(self)
        self.settle(spec)

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """As in any net of stages; the last norm belongs to c3."""
        last = ("norm",) if level == "c3" and self.norm is not None else ()
        return (*super().modules_through(level), *last)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        wanted = {level.name for level in self.levels}
        x = self.relu(conv_norm(self.conv1, self.bn1, images))  # (B, 16, H, W)
        features = {}
        for name in self.stage_of:
            x = self.run_stage(name, x)
            if name == "c3" and self.last_relu is not None:
                x = self.last_relu(x if self.norm is None else self.norm(x))
            if name in wanted:
                features[name] = x
        return features


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    own_options(spec, IdentityOptions)
    check_cifar(spec)


build = IdentityResNet


def _convs(shape: Shape, outer: int, bottleneck: bool) -> list[nn.Conv2d]:
    inner = shape.channels
    if not bottleneck:
        return [conv3x3(shape.in_channels, inner, shape.stride, 1), conv3x3(inner, outer, 1, 1)]
    stride_1x1, stride_3x3 = (shape.stride, 1) if shape.stride_in == "1x1" else (1, shape.stride)
    middle = conv3x3(inner, inner, stride_3x3, 1)
    return [conv1x1(shape.in_channels, inner, stride_1x1), middle, conv1x1(inner, outer, 1)]


def _shortcut(shape: Shape, outer: int, *, normed: bool) -> nn.Module | None:
    """Zero padding or projection; with full pre-activation the next unit normalises it."""
    module = make_shortcut(shape, outer)
    return module if normed or not isinstance(module, Row) else module[:1]
