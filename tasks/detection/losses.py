"""The losses that training a detector minimises."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from tasks.detection.data.batch import DetectionBatch
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.ground_truth import GroundTruth
from tasks.detection.ops.losses import Losses


class DetectionObjective(nn.Module):
    """Named losses of a batch; their sum is minimised. DDP wraps this module."""

    def __init__(self, model: FasterRCNN) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: DetectionBatch) -> Losses:
        """Compute `rpn/class`, `rpn/box`, `roi/class` and `roi/box`, fp32 scalars, each the mean
        over the batch's images.
        """
        return self.losses(batch, self.model.features(batch.images, batch.sizes))

    def losses(self, batch: DetectionBatch, features: Mapping[str, Tensor]) -> Losses:
        """Compute the losses from given features."""
        truth = GroundTruth(
            boxes=batch.boxes,
            labels=batch.labels,
            is_object=(batch.labels >= 0) & ~batch.crowd,
            crowd=batch.crowd,
            keys=batch.keys,
        )
        padded_size = (batch.images.shape[2], batch.images.shape[3])
        rpn_losses, proposals = self.model.rpn.losses(features, truth, batch.sizes, padded_size)
        rois = self.model.box_head.sample(proposals, truth)
        return rpn_losses | self.model.box_head.losses(features, rois)
