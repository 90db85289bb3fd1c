"""The losses that training a classifier minimises. B images, K classes, H x W pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_backbones.classifier import Classifier
from resnet_backbones.weights.passport import PixelNormalizer
from tasks.classification.config import AugmentConfig, LossConfig
from tasks.classification.data.batch import ClassificationBatch


class ClassificationObjective(nn.Module):
    """Turns pixels into named losses, each a mean over the images of a micro-batch."""

    def __init__(self, model: Classifier, config: LossConfig, augment: AugmentConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.augment = augment
        self.normalizer = PixelNormalizer(model.backbone.passport)

    def forward(self, batch: ClassificationBatch) -> dict[str, Tensor]:
        """Compute the losses of the head and of the auxiliary heads, if any."""
        images = prepared(batch, self.normalizer, self.augment)
        own = own_shares(batch) if self.augment.mixes else None
        losses: dict[str, Tensor] = {}
        for name, logits in self.model.forward_all(images).items():
            weight = 1.0 if name == "main" else self.config.auxiliary
            key = "class" if name == "main" else name
            losses[key] = weight * class_loss(logits.float(), batch.labels, own, self.config)
        return losses


def prepared(
    batch: ClassificationBatch, normalizer: PixelNormalizer, augment: AugmentConfig
) -> Tensor:
    """Normalise images (B, 3, H, W), after tinting, erasing and mixing them as the batch says."""
    images: Tensor = normalizer(batch.images)
    if augment.lighting:
        tint = batch.tint.flip(1) if normalizer.reverse else batch.tint
        images = images + tint[:, :, None, None] * normalizer.scale
    if augment.erases:
        images = images.masked_fill(_inside(batch.erased, images), 0.0)
    if not augment.mixes:
        return images
    partners = images.roll(1, dims=0)
    mixed = torch.lerp(partners, images, batch.blend[:, None, None, None])
    return torch.where(_inside(batch.pasted, images), partners, mixed)


def own_shares(batch: ClassificationBatch) -> Tensor:
    """Compute each image's own share of its target (B,); the rest is its partner's."""
    height, width = batch.images.shape[2:]
    x1, y1, x2, y2 = batch.pasted.unbind(1)
    pasted = ((x2 - x1) * (y2 - y1)).float() / (height * width)
    return batch.blend * (1 - pasted)


def class_loss(logits: Tensor, labels: Tensor, own: Tensor | None, config: LossConfig) -> Tensor:
    """Compute the loss of logits (B, K) for labels (B,). `own` (B,) is the image's own share; None
    means all.
    """
    if config.name == "cross_entropy":
        losses = _cross_entropy(logits, labels, config.smoothing)  # (B,)
        if own is not None:
            partners = _cross_entropy(logits, labels.roll(1, dims=0), config.smoothing)
            losses = torch.lerp(partners, losses, own)
        return losses.mean()
    targets = mixed_targets(labels, own, logits.shape[1], config.smoothing)
    if config.threshold is not None:
        targets = (targets > config.threshold).float()
    return F.binary_cross_entropy_with_logits(logits, targets)


def mixed_targets(labels: Tensor, own: Tensor | None, classes: int, smoothing: float) -> Tensor:
    """Make targets (B, K): 1 - s + s / K and s / K for smoothing s, mixed with the partner's."""
    whole = F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes
    return whole if own is None else torch.lerp(whole.roll(1, dims=0), whole, own[:, None])


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


def _inside(boxes: Tensor, images: Tensor) -> Tensor:
    """Mark the pixels (B, 1, H, W) inside the boxes (B, 4)."""
    height, width = images.shape[2:]
    x1, y1, x2, y2 = (edge[:, None] for edge in boxes.unbind(1))  # (B, 1)
    xs = torch.arange(width, device=boxes.device)
    ys = torch.arange(height, device=boxes.device)
    columns = (xs >= x1) & (xs < x2)  # (B, W)
    rows = (ys >= y1) & (ys < y2)  # (B, H)
    return (rows[:, :, None] & columns[:, None, :])[:, None]
