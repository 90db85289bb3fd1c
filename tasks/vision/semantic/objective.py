"""The losses that training a segmenter minimises."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.labels import IGNORED
from tasks.vision.semantic.batch import SegmentationBatch
from tasks.vision.semantic.losses import (
    cross_entropies,
    dice_loss,
    hard_pixels,
    lovasz_loss,
    mean_of_images,
)
from tasks.vision.semantic.segmenter import SegmentationNetwork
from tasks.vision.settings_semantic import LossConfig

Losses = dict[str, Tensor]


class SegmentationObjective(nn.Module):
    """Named losses of a batch; their sum is minimised. DDP wraps this module.

    `pixel` and `auxiliary` are sums over the batch's weight, `hard`, `dice` and `lovasz` means over
    its images.
    """

    class_weights: Tensor | None

    def __init__(
        self, model: SegmentationNetwork, config: LossConfig, auxiliary: float = 0.0
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.auxiliary = auxiliary
        weights = config.class_weights
        buffer = None if weights is None else torch.tensor(weights)
        self.register_buffer("class_weights", buffer, persistent=False)

    def forward(self, batch: SegmentationBatch) -> Losses:
        """Compute the losses () fp32 of the head and of the auxiliary head, if any."""
        features = self.model.features(batch.images, batch.sizes)
        losses = self.losses(batch, self.model.logits(features))
        if self.model.auxiliary is not None:
            logits = self.model.auxiliary_logits(features)
            losses["auxiliary"] = self.auxiliary * self._pixel_loss(batch, logits)
        return losses

    def losses(self, batch: SegmentationBatch, logits: Tensor) -> Losses:
        """Compute the losses of the head's logits (B, K, h, w)."""
        config = self.config
        whole, labels, counted = self._at_pixels(batch, logits)
        losses: Losses = {}
        if config.cross_entropy and config.hard_below is not None:
            name, loss = self._hard_loss(batch, whole, labels, counted)
            losses[name] = config.cross_entropy * loss
        elif config.cross_entropy:
            own = cross_entropies(whole, labels, counted, self.class_weights)
            losses["pixel"] = config.cross_entropy * _over_weight(own, batch)
        if config.dice:
            losses["dice"] = config.dice * dice_loss(whole, labels, counted)
        if config.lovasz:
            losses["lovasz"] = config.lovasz * lovasz_loss(whole, labels, counted)
        return losses

    def _hard_loss(
        self, batch: SegmentationBatch, whole: Tensor, labels: Tensor, counted: Tensor
    ) -> tuple[str, Tensor]:
        """Compute the loss of the hard pixels: over all labelled ones, or over those of each
        image.
        """
        config = self.config
        assert config.hard_below is not None
        hard = hard_pixels(whole, labels, counted, config.hard_below, config.hard_least) & counted
        own = cross_entropies(whole, labels, hard, self.class_weights)
        if config.hard_least is None:
            return "pixel", _over_weight(own, batch)
        return "hard", mean_of_images(own, hard, counted)

    def _pixel_loss(self, batch: SegmentationBatch, logits: Tensor) -> Tensor:
        whole, labels, counted = self._at_pixels(batch, logits)
        return _over_weight(cross_entropies(whole, labels, counted, self.class_weights), batch)

    def _at_pixels(self, batch: SegmentationBatch, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Enlarge the logits to the pixels; return them with labels and the mask of counted
        pixels.
        """
        height, width = batch.labels.shape[1:]
        counted = batch.labels != IGNORED
        labels = batch.labels.long().masked_fill(~counted, 0)
        return self.model.enlarge(logits, (height, width)), labels, counted


def _over_weight(losses: Tensor, batch: SegmentationBatch) -> Tensor:
    """Divide the sum of the pixels' losses by the batch's weight; 0 if that is 0."""
    return losses.sum() / batch.weights.sum().clamp(min=1e-12).float()
