"""GoogLeNet (Szegedy et al. 2015) as a feature extractor, with torchvision's parameter names.

B images of C channels, H x W pixels; K classes. `googlenet` is torchvision's network, whose names
and weights it takes: batch norms, and 3x3 convolutions where the paper has 5x5. `googlenet_lrn` is
the published one: biases and local response normalisation, 5x5 branches, as in the reference
prototxt of Caffe.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, described, refuse_foreign
from resnet_backbones.features import Backbone, FeatureLevel, Head
from resnet_backbones.layers import conv_norm, make_norm
from resnet_backbones.pooling import DenseMaxPool, max_pool
from resnet_backbones.recompute import recomputed
from resnet_backbones.rows import is_trained
from resnet_backbones.spec import BackboneSpec, NormName
from resnet_backbones.weights.passport import Passport

EPS = 1e-3
"""Epsilon of torchvision's batch norms."""
INCEPTIONS = {  # table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
LEVELS = {
    "c1": ("conv1", 64),
    "c2": ("conv3", 192),
    "c3": ("inception3b", 480),
    "c4": ("inception4e", 832),
} | {"c5": ("inception5b", 1024)}
"""Level name -> module that makes it, and its channels."""
AUXILIARY = {"aux1": ("inception4a", 512), "aux2": ("inception4d", 528)}


class GoogLeNet(Backbone):
    """Stem and inception modules up to the coarsest requested level; parameters have torchvision's
    names.

    c1 is the first convolution, c2 the third, c3 to c5 the last module before a pooling. With
    `output_stride` 8 or 16, the last poolings trade their stride for dilation.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        self.published = _is_published(spec)
        outputs = _feature_levels(spec)
        told = described(None, spec.output_stride)
        passport = Passport(architecture=spec.name, norm_eps=EPS, options=told)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.norm_name = None if self.published else spec.norm_name
        self._also: tuple[str, ...] = ()
        self._add_layers(spec.in_channels, spec.output_stride)
        self._drop_after(LEVELS[outputs[-1].name][0])
        _initialise(self)
        self.settle(spec)

    def _add_layers(self, in_channels: int, output_stride: int) -> None:
        norm = self.norm_name
        self.conv1 = ConvUnit(in_channels, 64, 7, norm, stride=2)
        self.maxpool1 = max_pool(3, 2, 1, ceil_mode=True)
        self.add_module("lrn1", _response_norm(self.published))
        self.conv2 = ConvUnit(64, 64, 1, norm)
        self.conv3 = ConvUnit(64, 192, 3, norm)
        self.add_module("lrn2", _response_norm(self.published))
        self.maxpool2 = max_pool(3, 2, 1, ceil_mode=True)
        channels = 192
        for stage in (3, 4, 5):
            dilation = max(1, 2**stage // output_stride)
            for place in (place for place in INCEPTIONS if place.startswith(str(stage))):
                module = Inception(channels, INCEPTIONS[place], norm, dilation)
                self.add_module(f"inception{place}", module)
                channels = module.out_channels
            kernel = 3 if stage == 3 or self.published else 2
            stride = 1 if 2 ** (stage + 1) > output_stride else 2
            self.add_module(f"maxpool{stage}", max_pool(kernel, stride, dilation, ceil_mode=True))

    def _drop_after(self, last: str) -> None:
        names = [name for name, _ in self.named_children()]
        for name in names[names.index(last) + 1 :]:
            delattr(self, name)

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """Names of the modules to freeze for `freeze_through`; `stem` is up to c1."""
        if level is None:
            return ()
        names = [name for name, _ in self.named_children()]
        last = LEVELS["c1" if level == "stem" else level][0]
        return tuple(names[: names.index(last) + 1] if last in names else names)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        wanted = {LEVELS[level.name][0]: level.name for level in self.levels}
        maps: dict[str, Tensor] = {}
        x = images
        for name, module in self.named_children():
            x = self._run(module, x)
            if name in wanted:
                maps[wanted[name]] = x
            if name in self._also:
                maps[name] = x
        return maps

    def _run(self, module: nn.Module, x: Tensor) -> Tensor:
        again = self.checkpoint_activations and torch.is_grad_enabled() and is_trained(module)
        return recomputed(module, x) if again else module(x)

    def logits(self, images: Tensor, head: Head) -> dict[str, Tensor]:
        """Logits as in any backbone; in training the head also gets the maps of its auxiliary
        classifiers, by the names of their modules.
        """
        self._also = tuple(module for module, _ in AUXILIARY.values()) if head.training else ()
        try:
            return head(self(images))  # type: ignore[no-any-return]
        finally:
            self._also = ()

    def classifier_head(self, num_classes: int) -> Head:
        """Dropout and `fc`, and the two auxiliary heads that help training; needs the level c5."""
        heads: dict[str, nn.Module] = {"dropout": nn.Dropout(0.4 if self.published else 0.2)}
        for name, (_, channels) in AUXILIARY.items():
            heads[name] = AuxiliaryHead(channels, num_classes, self.norm_name)
        fc = nn.Linear(LEVELS["c5"][1], num_classes)
        for module in (*heads.values(), fc):
            _initialise(module)
        return GoogLeNetHead("c5", {**heads, "fc": fc})


class GoogLeNetHead(Head):
    """A linear layer on the mean of c5, and two auxiliary classifiers in training."""

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"main": (B, K)}, and in training "aux1" and "aux2", whose losses the paper adds with the
        weight 0.3.
        """
        logits = {"main": self["fc"](self["dropout"](maps["c5"].mean((2, 3))))}
        for name, (source, _) in AUXILIARY.items() if self.training else ():
            logits[name] = self[name](maps[source])
        return logits


class ConvUnit(nn.Module):
    """Convolution, norm if there is one (else a bias), ReLU."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int,
        norm: NormName | None,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.conv = nn.Conv2d(
            in_channels, channels, kernel, stride, padding, dilation, bias=norm is None
        )
        self.bn = None if norm is None else make_norm(norm, channels, EPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, channels, h, w)."""
        normed = self.conv(x) if self.bn is None else conv_norm(self.conv, self.bn, x)
        return self.relu(normed)  # type: ignore[no-any-return]


class Inception(nn.Module):
    """Four branches side by side (Szegedy et al. 2015, fig. 2b)."""

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], norm: NormName | None, dilation: int
    ) -> None:
        super().__init__()
        only, reduce3, wide3, reduce5, wide5, projection = widths
        large = (
            5 if norm is None else 3
        )  # torchvision took 3x3 here by mistake, and its weights need it
        self.branch1 = ConvUnit(in_channels, only, 1, norm)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce3, 1, norm),
            ConvUnit(reduce3, wide3, 3, norm, dilation=dilation),
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce5, 1, norm),
            ConvUnit(reduce5, wide5, large, norm, dilation=dilation),
        )
        pool = (
            nn.MaxPool2d(3, 1, padding=1)
            if dilation == 1
            else DenseMaxPool(3, dilation, centred=True)
        )
        self.branch4 = nn.Sequential(pool, ConvUnit(in_channels, projection, 1, norm))
        self.out_channels = only + wide3 + wide5 + projection

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class AuxiliaryHead(nn.Module):
    """A small classifier on a map of stride 16 (Szegedy et al. 2015, section 5)."""

    def __init__(self, in_channels: int, num_classes: int, norm: NormName | None) -> None:
        super().__init__()
        self.published = norm is None
        self.conv = ConvUnit(in_channels, 128, 1, norm)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> logits (B, K). The paper's pooling gives 4 x 4 cells at 224
        pixels.
        """
        if self.published and min(x.shape[-2:]) >= 5:
            x = F.avg_pool2d(x, 5, stride=3)
        hidden = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(hidden))))  # type: ignore[no-any-return]


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
    refuse_foreign(spec)
    if _is_published(spec) and spec.norm not in ("batch", "frozen"):
        raise UserError(
            f"norm must be auto for {spec.name}, which has none, got {spec.norm}; use googlenet"
        )
    if spec.norm == "group":
        raise UserError(
            f"norm must be auto, batch, frozen or sync for {spec.name}, whose widths have no 32"
            " groups"
        )


build = GoogLeNet


def _is_published(spec: BackboneSpec) -> bool:
    return spec.name == "googlenet_lrn"


def _feature_levels(spec: BackboneSpec) -> tuple[FeatureLevel, ...]:
    chosen = choose_levels(spec.levels, tuple(LEVELS))
    return tuple(
        FeatureLevel(name, LEVELS[name][1], min(2 ** int(name[1:]), spec.output_stride))
        for name in chosen
    )


def _response_norm(present: bool) -> nn.Module:
    return nn.LocalResponseNorm(5, alpha=1e-4) if present else nn.Identity()


def _initialise(module: nn.Module) -> None:
    """Initialise as torchvision if there are norms; otherwise as Glorot and Bengio 2010, the filler
    of the reference prototxt.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear):
            if isinstance(child, nn.Conv2d) and child.bias is not None:
                nn.init.xavier_uniform_(child.weight)
                nn.init.constant_(child.bias, 0.2)
            else:
                nn.init.trunc_normal_(child.weight, 0.0, 0.01, -2, 2)
