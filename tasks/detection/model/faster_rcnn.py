"""Faster R-CNN with a feature pyramid (Ren et al. 2015; Lin et al. 2017).

B images; images are (B, C, H, W) pixel values, padded, with their valid heights and widths in sizes
(B, 2).  The parts are called twice and written once: by `FasterRCNN.forward` to detect, and by
`losses.DetectionObjective` to learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.passport import Passport, PixelNormalizer
from tasks.detection.config import ModelConfig
from tasks.detection.model.box_head import BoxHead
from tasks.detection.model.detections import Detections
from tasks.detection.model.region_proposer import RegionProposer
from tasks.vision.backbone import build_from_config
from tasks.vision.class_rows import ClassRows
from tasks.vision.fpn import FeaturePyramid
from tasks.vision.padding import Size


class FasterRCNN(nn.Module):
    """Backbone, pyramid, region proposer and box head."""

    def __init__(
        self,
        backbone: Backbone,
        pyramid: FeaturePyramid,
        rpn: RegionProposer,
        box_head: BoxHead,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.rpn = rpn
        self.box_head = box_head
        self.normalizer = PixelNormalizer(backbone.passport)

    @property
    def num_classes(self) -> int:
        """Foreground classes."""
        return self.box_head.num_classes

    @property
    def trunk(self) -> tuple[nn.Module, ...]:
        """The convolutional parts, for torch.compile."""
        return self.backbone, self.pyramid, self.rpn

    def features(self, images: Tensor, sizes: Tensor) -> dict[str, Tensor]:
        """Compute the pyramid's maps, (B, C, h, w) each by name, fine to coarse."""
        pyramid: dict[str, Tensor] = self.pyramid(self.backbone(self.normalizer(images, sizes)))
        return pyramid

    def forward(self, images: Tensor, sizes: Tensor) -> Detections:
        """Detect objects; boxes are in pixels of the resized images."""
        padded_size = (images.shape[2], images.shape[3])
        return self.detect(self.features(images, sizes), sizes, padded_size)

    def detect(
        self, features: Mapping[str, Tensor], sizes: Tensor, padded_size: Size
    ) -> Detections:
        """Detect objects in the features of images that are padded to `padded_size`."""
        proposals = self.rpn.detect(features, sizes, padded_size)
        return self.box_head.detect(features, proposals, sizes)

    def class_rows(self) -> dict[str, ClassRows]:
        """The tensors of the state dict that have rows for each class."""
        return {f"box_head.{name}": rows for name, rows in self.box_head.class_rows().items()}


def build_faster_rcnn(
    config: ModelConfig,
    num_classes: int,
    passport: Passport | None = None,
    found: Source | None = None,
) -> FasterRCNN:
    """Build the detector that the settings describe, in channels_last.

    Backbone weights are loaded, the `found` ones if given, and the rest is initialised. With
    `passport`, nothing is loaded: the caller will load a whole detector's weights, made for that
    preprocessing. Raises UserError if there is no class, and for settings that the backbone
    refuses.
    """
    if num_classes < 1:
        raise UserError(
            f"a detector needs at least one class, got {num_classes}; look at the annotations'"
            " categories"
        )
    backbone = build_from_config(config, passport, found)
    pyramid = FeaturePyramid(backbone.levels, channels=config.pyramid_channels)
    rpn = RegionProposer(pyramid.levels, config.rpn, config.anchors)
    box_head = BoxHead(pyramid.merged_levels, num_classes, config.roi)
    model = FasterRCNN(backbone, pyramid, rpn, box_head)
    return model.to(memory_format=torch.channels_last)
