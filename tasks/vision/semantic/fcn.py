"""The fully convolutional head (Long et al. 2015) as torchvision has it, main and auxiliary.  B
images, K classes; maps have h x w cells.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from resnet_backbones.features import FeatureLevel
from tasks.vision.semantic.blocks import class_predictor, conv_block
from tasks.vision.settings_semantic import SemanticHeadConfig


class FCNHead(nn.Module):
    """{level.name: (B, C, h, w)} -> logits (B, K, h, w): a 3x3 convolution to a quarter of the
    channels, and a 1x1 one.
    """

    def __init__(self, level: FeatureLevel, num_classes: int, config: SemanticHeadConfig) -> None:
        super().__init__()
        self.level = level
        hidden = max(1, level.channels // 4)
        self.hidden = conv_block(level.channels, hidden, config.norm)
        self.dropout = nn.Dropout2d(config.dropout)
        self.predictor = class_predictor(hidden, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, K, h, w) of the level's size."""
        logits: Tensor = self.predictor(self.dropout(self.hidden(features[self.level.name])))
        return logits
