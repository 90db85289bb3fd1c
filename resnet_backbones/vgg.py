"""VGG (Simonyan and Zisserman 2015) as a feature extractor, with torchvision's parameter names.

B images of C channels, H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, described, own_options, refuse_stride_in
from resnet_backbones.features import Backbone, FeatureLevel, Head
from resnet_backbones.layers import init_residual, make_norm
from resnet_backbones.pooling import max_pool
from resnet_backbones.rows import Stage, Taps
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

WIDTH = 64
"""Channels of the first stage."""
FACTORS = (1, 2, 4, 8, 8)
"""Channels of the five stages, over those of the first."""
WINDOW = 7
"""Side, in cells of c5, of the window of the fully connected layers."""
FC_CHANNELS = 4096


@dataclass(frozen=True)
class Variant:
    """A column of Simonyan and Zisserman 2015, table 1."""

    depths: tuple[int, int, int, int, int]
    """Convolutions of each stage."""
    last_kernel: int = 3
    """Kernel of the last convolution of stages 3 to 5; 1 in column C."""
    response_norm: bool = False
    """Local response normalisation after the first convolution."""


VARIANTS = {
    "vgg11": Variant((1, 1, 2, 2, 2)),  # A
    "vgg11_lrn": Variant((1, 1, 2, 2, 2), response_norm=True),  # A-LRN
    "vgg13": Variant((2, 2, 2, 2, 2)),  # B
    "vgg16_c": Variant((2, 2, 3, 3, 3), last_kernel=1),  # C
    "vgg16": Variant((2, 2, 3, 3, 3)),  # D
    "vgg19": Variant((2, 2, 4, 4, 4)),  # E
}


@dataclass(frozen=True, kw_only=True)
class VGGOptions:
    """Options of VGGs."""

    width: int = WIDTH
    """Channels of the first stage; the others have 2, 4, 8 and 8 times as many."""
    head: Literal["paper", "mean"] = "paper"
    """Head of a classifier: the paper's three layers on 7 x 7 cells (c5 has one cell at 32 pixels),
    or one linear layer on the mean of the cells."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UserError(f"options.width must be >= 1, got {self.width}")
        if self.head not in ("paper", "mean"):
            raise UserError(f"options.head must be paper or mean, got {self.head!r}")

    def told(self) -> dict[str, object]:
        """Options for the passport; None for those of the paper."""
        return {
            "width": None if self.width == WIDTH else self.width,
            "head": None if self.head == "paper" else self.head,
        }


OPTIONS = VGGOptions


class VGG(Backbone):
    """Stages up to the coarsest requested level; parameters have torchvision's names
    (`features.0`).

    c1 to c5 are the maps after the pooling that ends a stage, whose sizes round down. The last
    convolution's map before the last pooling, which detectors use, is the level `conv5_3` (in
    general `conv5_` and the number of the stage's convolutions). With `output_stride` 8 or 16,
    later poolings trade their stride for dilation: every cell of the strided net is a cell of the
    dilated one.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        variant = VARIANTS[spec.name.removesuffix("_bn")]
        options = own_options(spec, VGGOptions)
        outputs = _feature_levels(variant, spec, options.width)
        told = described(None, spec.output_stride, options.told())
        passport = Passport(architecture=spec.name, options=told)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.options = options
        self.norm_name = spec.norm_name if spec.name.endswith("_bn") else None
        self.ends: dict[str, int] = {}
        """Level name -> number of layers in `features` that lead to it, fine to coarse."""
        self.features = Stage()
        channels = spec.in_channels
        for index in range(1, 6):
            channels = self._add_stage(variant, index, channels, spec.output_stride)
        last = self.ends[outputs[-1].name]
        del self.features[last:]
        self.ends = {level: end for level, end in self.ends.items() if end <= last}
        self.features.ends = tuple(self.ends.values())
        init_residual(self)
        _zero_biases(self)
        self.settle(spec)

    def _add_stage(self, variant: Variant, index: int, in_channels: int, output_stride: int) -> int:
        """Add a stage's convolutions and its pooling, and return the number of its output
        channels.
        """
        width, depth = self.options.width * FACTORS[index - 1], variant.depths[index - 1]
        dilation = max(1, 2 ** (index - 1) // output_stride)
        for position in range(depth):
            kernel = variant.last_kernel if index >= 3 and position == depth - 1 else 3
            padding = dilation * (kernel // 2)
            conv = nn.Conv2d(
                in_channels, width, kernel, padding=padding, dilation=dilation if kernel > 1 else 1
            )
            self.features.extend([conv, *self._norms(width), nn.ReLU(inplace=True)])
            in_channels = width
        if variant.response_norm and index == 1:
            self.features.append(
                nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)
            )  # Krizhevsky et al. 2012, 3.3
        if index == 5:
            self.ends[_conv5(variant)] = len(self.features)
        self.features.append(max_pool(2, 1 if 2**index > output_stride else 2, dilation))
        self.ends[f"c{index}"] = len(self.features)
        return width

    def _norms(self, channels: int) -> list[nn.Module]:
        return [] if self.norm_name is None else [make_norm(self.norm_name, channels)]

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """Names of the modules to freeze for `freeze_through`; `stem` is up to c1."""
        if level is None:
            return ()
        end = self.ends.get("c1" if level == "stem" else level, len(self.features))
        return tuple(f"features.{index}" for index in range(min(end, len(self.features))))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        taps = Taps({str(end - 1): level for level, end in self.ends.items()})
        self.features(images, taps=taps)
        return {level.name: taps.maps[level.name] for level in self.levels}

    def classifier_head(self, num_classes: int) -> Head:
        """The paper's fc6, fc7 and fc8, called `classifier` as in torchvision, or one layer `fc`;
        needs the level c5.
        """
        if self.options.head == "mean":
            return super().classifier_head(num_classes)
        hidden = fc6_fc7(self.options.width * FACTORS[-1])
        layers = nn.Sequential(*hidden, _linear(FC_CHANNELS, num_classes))
        return VGGHead("c5", {"classifier": layers})


class VGGHead(Head):
    """The paper's three fully connected layers, on 7 x 7 cells."""

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"main": (B, K)}; c5 is pooled to 7 x 7 cells, its size at 224 pixels."""
        pooled = F.adaptive_avg_pool2d(maps["c5"], WINDOW)
        return {"main": self["classifier"](pooled.flatten(1))}

    def dense(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Mean of the logits over all windows of 7 x 7 cells, with the first layer as a convolution
        (Simonyan and Zisserman 2015, section 3.2). UserError if c5 is smaller.
        """
        c5 = maps["c5"]
        if min(c5.shape[2:]) < WINDOW:
            seen = f"{c5.shape[2]} x {c5.shape[3]}"
            rule = f"dense evaluation of a VGG needs {WINDOW} x {WINDOW} cells of c5"
            raise UserError(f"{rule}, which 224 pixels have, got {seen}; use larger images")
        layers = self["classifier"]
        assert isinstance(layers, nn.Sequential)
        fc6 = layers[0]
        assert isinstance(fc6, nn.Linear)
        kernel = fc6.weight.reshape(FC_CHANNELS, -1, WINDOW, WINDOW)
        cells = F.conv2d(c5, kernel, fc6.bias).permute(0, 2, 3, 1)  # (B, h, w, 4096)
        for layer in layers[1:]:
            cells = layer(cells)
        return cells.mean((1, 2))


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    refuse_stride_in(spec)
    own_options(spec, VGGOptions)
    if not spec.name.endswith("_bn") and spec.norm not in ("batch", "frozen"):
        raise UserError(
            f"norm must be auto for {spec.name}, which has none, got {spec.norm}; use"
            f" {spec.name}_bn"
        )


build = VGG


def fc6_fc7(in_channels: int = 512, size: int = 7, dropout: float = 0.5) -> nn.Sequential:
    """The two hidden layers of 4096 over flattened (in_channels, size, size) maps, which detectors
    use as box head.
    """
    drops = nn.Dropout(dropout), nn.Dropout(dropout)
    fc6, fc7 = _linear(in_channels * size * size, FC_CHANNELS), _linear(FC_CHANNELS, FC_CHANNELS)
    return nn.Sequential(fc6, nn.ReLU(inplace=True), drops[0], fc7, nn.ReLU(inplace=True), drops[1])


def _feature_levels(variant: Variant, spec: BackboneSpec, width: int) -> tuple[FeatureLevel, ...]:
    strides = {f"c{index}": 2**index for index in range(1, 5)} | {_conv5(variant): 16, "c5": 32}
    factors = dict(zip(strides, (*FACTORS, FACTORS[-1]), strict=True))
    chosen = choose_levels(spec.levels, tuple(strides))
    return tuple(
        FeatureLevel(name, width * factors[name], min(strides[name], spec.output_stride))
        for name in chosen
    )


def _conv5(variant: Variant) -> str:
    return f"conv5_{variant.depths[-1]}"


def _linear(in_channels: int, out_channels: int) -> nn.Linear:
    linear = nn.Linear(in_channels, out_channels)
    nn.init.normal_(linear.weight, 0, 0.01)  # as torchvision
    nn.init.zeros_(linear.bias)
    return linear


def _zero_biases(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.bias is not None:
            nn.init.zeros_(child.bias)
