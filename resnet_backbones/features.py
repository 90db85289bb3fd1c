"""The contract between a backbone and what stands on it.  B images of C channels, H x W pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.report import WeightReport


@dataclass(frozen=True)
class FeatureLevel:
    """One feature map that a module makes or takes."""

    name: str
    """`c1` (the stem) to `c5` for backbones, `p2` to `p6` for pyramids."""
    channels: int
    stride: int
    """Nominal number of input pixels per feature cell; real maps round their size up."""


class Backbone(nn.Module):
    """(B, C, H, W) -> {level.name: (B, level.channels, h, w)}, fine to coarse; h, w are about H, W
    over level.stride.

    Subclasses implement `forward` and call `freeze` at the end of their constructor.
    """

    levels: tuple[FeatureLevel, ...]
    passport: Passport
    """What the weights expect of the input; see PixelNormalizer."""
    report: WeightReport | None
    """What was loaded; None for a backbone started from scratch."""

    def __init__(self, levels: tuple[FeatureLevel, ...], passport: Passport) -> None:
        super().__init__()
        self.levels = levels
        self.passport = passport
        self.report = None
        self._frozen_modules: tuple[str, ...] = ()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        raise NotImplementedError

    def classifier_head(self, num_classes: int) -> dict[str, nn.Module]:
        """Modules that turn the coarsest level into logits, by the names that the field
        gives them.
        """
        return {"fc": nn.Linear(self.levels[-1].channels, num_classes)}

    def logits(self, images: Tensor, head: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """{"main": (B, K)} for K classes, and in training the logits of auxiliary heads where there
        are any.
        """
        coarsest = self(images)[self.levels[-1].name]
        return {"main": head["fc"](coarsest.mean((2, 3)))}

    def freeze(self, modules: tuple[str, ...]) -> None:
        """Stop training these submodules: no gradient, and evaluation mode whatever `train()` says
        later.
        """
        self._frozen_modules = modules
        for name in modules:
            self.get_submodule(name).eval().requires_grad_(False)

    def frozen_names(self) -> tuple[str, ...]:
        """Names of the parameters that are not trained."""
        return tuple(
            name for name, parameter in self.named_parameters() if not parameter.requires_grad
        )

    def train(self, mode: bool = True) -> Self:
        """Set training mode everywhere but in frozen submodules, so that they keep their
        statistics.
        """
        super().train(mode)
        for name in self._frozen_modules:
            self.get_submodule(name).eval()
        return self
