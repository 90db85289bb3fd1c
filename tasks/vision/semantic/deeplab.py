"""The heads of DeepLabV3 (Chen et al. 2017) and DeepLabV3+ (Chen et al. 2018), for backbones with
dilation.  B images, K classes; maps have h x w cells.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resnet_backbones.features import FeatureLevel
from tasks.vision.semantic.blocks import class_predictor, conv_block, resize_to
from tasks.vision.settings_semantic import SemanticHeadConfig


class AtrousPyramid(nn.Module):
    """(B, C, h, w) -> (B, aspp_channels, h, w): a 1x1 convolution, 3x3 ones of several dilations
    and the mean over all places, concatenated and joined by a 1x1 convolution.
    """

    def __init__(self, channels: int, config: SemanticHeadConfig) -> None:
        super().__init__()
        width = config.aspp_channels
        norm = config.norm
        rates = config.atrous_rates
        self.branches = nn.ModuleList(
            [
                conv_block(channels, width, norm, kernel=1),
                *(conv_block(channels, width, norm, dilation=rate) for rate in rates),
            ]
        )
        self.pooled = conv_block(channels, width, norm, kernel=1)
        self.project = conv_block((len(rates) + 2) * width, width, norm, kernel=1)
        self.dropout = nn.Dropout2d(config.dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Compute every place with its surroundings of several sizes."""
        found = [branch(maps) for branch in self.branches]
        mean = self.pooled(maps.mean((2, 3), keepdim=True))  # (B, aspp_channels, 1, 1)
        found.append(mean.expand(-1, -1, *maps.shape[-2:]))
        joined: Tensor = self.dropout(self.project(torch.cat(found, dim=1)))
        return joined


class DeepLabV3Head(nn.Module):
    """{level.name: (B, C, h, w)} -> logits (B, K, h, w): the atrous pyramid, a 3x3 convolution and
    a 1x1 one.
    """

    def __init__(self, level: FeatureLevel, num_classes: int, config: SemanticHeadConfig) -> None:
        super().__init__()
        self.level = level
        self.aspp = AtrousPyramid(level.channels, config)
        self.hidden = conv_block(config.aspp_channels, config.aspp_channels, config.norm)
        self.predictor = class_predictor(config.aspp_channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, K, h, w) of the level's size."""
        logits: Tensor = self.predictor(self.hidden(self.aspp(features[self.level.name])))
        return logits


class DeepLabV3PlusHead(nn.Module):
    """{fine.name: (B, C, H, W), coarse.name: (B, D, h, w)} -> logits (B, K, H, W): the atrous
    pyramid of the coarse level, enlarged and refined by the fine one.
    """

    def __init__(
        self,
        fine: FeatureLevel,
        coarse: FeatureLevel,
        num_classes: int,
        config: SemanticHeadConfig,
    ) -> None:
        super().__init__()
        self.fine = fine
        self.coarse = coarse
        width = config.aspp_channels
        low = config.low_level_channels
        self.aspp = AtrousPyramid(coarse.channels, config)
        self.reduce = conv_block(fine.channels, low, config.norm, kernel=1)
        self.refine = nn.Sequential(
            conv_block(width + low, width, config.norm), conv_block(width, width, config.norm)
        )
        self.predictor = class_predictor(width, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, K, H, W) of the fine level's size."""
        reduced = self.reduce(features[self.fine.name])
        surroundings = resize_to(self.aspp(features[self.coarse.name]), reduced)
        refined = self.refine(torch.cat((surroundings, reduced), dim=1))
        logits: Tensor = self.predictor(refined)
        return logits
