"""The semantic FPN's head (Kirillov et al. 2019, section 3.1).  B images, K classes; pyramid maps
p{k} of h x w cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.vision.semantic.blocks import class_predictor, conv_block, resize_to
from tasks.vision.settings_semantic import SemanticHeadConfig

FINEST = 4  # stride of the map of the classes


class SemanticFPNHead(nn.Module):
    """{"p2": …, "p5": …}, each (B, C, h, w) -> logits (B, K, H / 4, W / 4).

    Each level has log2(stride / 4) blocks of convolution, norm and ReLU, each followed by an
    enlargement to the size of the level of half the stride; the stride-4 level has one block and no
    enlargement. All are joined there. The last enlargement is linear and works on each channel, so
    the coarser levels are joined first and enlarged together.
    """

    def __init__(
        self, levels: Sequence[FeatureLevel], num_classes: int, config: SemanticHeadConfig
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)  # fine to coarse
        self.joins = config.merge
        self.corners = config.upsample == "bilinear_corners"
        self.branches = nn.ModuleDict(
            {level.name: _make_branch(level, config) for level in self.levels}
        )
        joined = config.channels * (len(self.levels) if config.merge == "cat" else 1)
        self.dropout = nn.Dropout2d(config.dropout)
        self.predictor = class_predictor(joined, num_classes)

    def forward(self, pyramid: Mapping[str, Tensor]) -> Tensor:
        """Compute logits (B, K, h, w) of the finest map's size."""
        of_stride = {level.stride: pyramid[level.name] for level in reversed(self.levels)}
        finest, *coarser = self.levels
        merged = self._through_branch(finest, pyramid[finest.name], of_stride)
        if coarser:
            maps = [
                self._through_branch(level, pyramid[level.name], of_stride)
                for level in reversed(coarser)  # coarse to fine
            ]  # each as large as the level of stride 8
            enlarged = resize_to(self._join(maps), merged, corners=self.corners)
            merged = self._join([enlarged, merged])
        logits: Tensor = self.predictor(self.dropout(merged))
        return logits

    def _through_branch(
        self, level: FeatureLevel, maps: Tensor, of_stride: Mapping[int, Tensor]
    ) -> Tensor:
        """Make a level's blocks, with the enlargements between them."""
        branch = self.branches[level.name]
        assert isinstance(branch, nn.ModuleList)
        for number, block in enumerate(branch):
            if number > 0:
                finer = of_stride[level.stride // 2**number]
                maps = resize_to(maps, finer, corners=self.corners)
            maps = block(maps)
        return maps

    def _join(self, maps: Sequence[Tensor]) -> Tensor:
        """Sum or concatenate maps of one size, coarse to fine."""
        if self.joins == "cat":
            return torch.cat(tuple(maps), dim=1)
        total, *others = maps
        for other in others:
            total = total + other
        return total


def check_levels(levels: Sequence[FeatureLevel], backbone: str) -> None:
    """Raise UserError if the levels do not begin at stride 4 and double from there."""
    strides = [level.stride for level in levels]
    doubling = all(coarse in (fine, 2 * fine) for fine, coarse in pairwise(strides))
    if strides[0] == FINEST and strides[1:2] != [FINEST] and doubling:
        return
    raise UserError(
        "model.head.kind=fpn needs a backbone whose finest level has stride 4, each next one at"
        f" most the double, got {backbone} with levels of strides"
        f" {', '.join(str(stride) for stride in strides)}; set model.backbone to one made for large"
        " images, such as resnet18, or model.head.kind=fcn"
    )


def _make_branch(level: FeatureLevel, config: SemanticHeadConfig) -> nn.ModuleList:
    doublings = (level.stride // FINEST).bit_length() - 1
    widths = [level.channels] + [config.channels] * max(1, doublings)
    blocks = [conv_block(before, after, config.norm) for before, after in pairwise(widths)]
    return nn.ModuleList(blocks)
