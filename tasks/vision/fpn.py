"""Feature pyramid (Lin et al. 2017, fig. 3).  B images; level c{k} in, p{k} out, h x w cells."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel


class FeaturePyramid(nn.Module):
    """{"c2": …, "c5": …} -> {"p2": …, "p5": …, "p6": …}, each (B, channels, h, w), fine to coarse.

    Every map has its input's size. `extra` adds one coarser level, of every second cell of the
    coarsest (`max_pool`; Lin et al. 2017, footnote 2), or `none`. Without `smooth` there are no 3x3
    convolutions at the end, as in segmentation_models_pytorch. `levels` describes the output.
    """

    levels: tuple[FeatureLevel, ...]
    """All output maps."""
    merged_levels: tuple[FeatureLevel, ...]
    """Maps that are merged from an input: all but the extra one."""

    def __init__(
        self,
        levels: Sequence[FeatureLevel],
        channels: int = 256,
        extra: Literal["none", "max_pool"] = "max_pool",
        *,
        smooth: bool = True,
    ) -> None:
        super().__init__()
        if not levels:
            raise UserError("a feature pyramid needs at least one level, got none")
        self.inputs = tuple(levels)  # fine to coarse
        self.merged_levels = tuple(
            FeatureLevel(f"p{level.name[1:]}", channels, level.stride) for level in self.inputs
        )
        self.extra_level = _coarser(self.merged_levels[-1]) if extra == "max_pool" else None
        self.levels = self.merged_levels
        if self.extra_level is not None:
            self.levels = (*self.merged_levels, self.extra_level)
        self.lateral = nn.ModuleDict(
            {level.name: nn.Conv2d(level.channels, channels, 1) for level in self.inputs}
        )
        self.smooth = nn.ModuleDict(
            {
                level.name: nn.Conv2d(channels, channels, 3, padding=1) if smooth else nn.Identity()
                for level in self.inputs
            }
        )
        for conv in (*self.lateral.values(), *self.smooth.values()):
            if isinstance(conv, nn.Identity):
                continue
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Merge the levels from coarse to fine."""
        merged: Tensor | None = None
        pyramid: dict[str, Tensor] = {}
        for level in reversed(self.inputs):  # coarse to fine
            lateral = self.lateral[level.name](features[level.name])  # (B, channels, h, w)
            merged = lateral if merged is None else _add_upsampled(merged, lateral)
            pyramid[f"p{level.name[1:]}"] = self.smooth[level.name](merged)
        if self.extra_level is not None:
            coarsest = pyramid[self.merged_levels[-1].name]
            pyramid[self.extra_level.name] = F.max_pool2d(coarsest, kernel_size=1, stride=2)
        return {level.name: pyramid[level.name] for level in self.levels}


def _coarser(level: FeatureLevel) -> FeatureLevel:
    """Return the level after another one: p6 after p5."""
    return FeatureLevel(f"p{int(level.name[1:]) + 1}", level.channels, 2 * level.stride)


def _add_upsampled(coarse: Tensor, fine: Tensor) -> Tensor:
    """Add the coarser map, upsampled by nearest neighbours, to the finer map (B, C, H, W), whose
    size may be odd.

    Without gradients a map of half the size is added in place; with gradients that would be slow.
    """
    height, width = coarse.shape[-2:]
    if not torch.is_grad_enabled() and fine.shape[-2:] == (2 * height, 2 * width):
        cells = fine.view(*fine.shape[:2], height, 2, width, 2)
        cells.add_(coarse[:, :, :, None, :, None])
        return fine
    return F.interpolate(coarse, size=fine.shape[-2:], mode="nearest").add_(fine)
