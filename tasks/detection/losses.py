"""The losses of Faster R-CNN, as masked sums over fixed slots.

B images, A anchors, G padded objects, S samples, F foreground classes; boxes are (x1, y1, x2, y2)
in pixels of the resized image.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.detection.config import RoiConfig, RpnConfig
from tasks.detection.data.batches import DetectionBatch
from tasks.detection.model.box_head import OFFSET_WEIGHTS as ROI_WEIGHTS
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.region_proposer import OFFSET_WEIGHTS as RPN_WEIGHTS
from tasks.detection.model.region_proposer import Proposals
from tasks.detection.ops.boxes import encode
from tasks.detection.ops.matching import IGNORED, SampledAnchors, gather_rows, match, sample_anchors

RPN_STREAM, ROI_STREAM = 0, 1
"""Streams of `randomness.uniform`: anchors and proposals are drawn independently of each other."""

Losses = dict[str, Tensor]


class DetectionObjective(nn.Module):
    """Named losses of a batch; their sum is minimised. What DDP wraps."""

    def __init__(self, model: FasterRCNN) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: DetectionBatch) -> Losses:
        """`rpn/class`, `rpn/box`, `roi/class` and `roi/box`, fp32 scalars, each the mean over the
        batch's images.
        """
        return self.losses(batch, self.model.levels(batch.images, batch.sizes))

    def losses(self, batch: DetectionBatch, levels: list[Tensor]) -> Losses:
        """The losses from pyramid maps that are there already."""
        is_object = (batch.labels >= 0) & ~batch.crowd  # (B, G)
        anchors = self.model.anchors_of(batch.images, levels)
        rpn_losses, proposals = self._rpn(batch, is_object, levels, anchors)
        return rpn_losses | self._roi(batch, is_object, levels, proposals)

    def _rpn(
        self,
        batch: DetectionBatch,
        is_object: Tensor,
        levels: list[Tensor],
        anchors: tuple[Tensor, ...],
    ) -> tuple[Losses, Proposals]:
        config = self.model.config.rpn
        all_anchors = torch.cat(anchors)[None]  # (1, A, 4)
        matches = match(
            all_anchors,
            batch.boxes,
            is_object,
            positive_iou=config.positive_iou,
            negative_iou=config.negative_iou,
            low_quality=config.low_quality,
            crowd=batch.crowd,
            ignore_iof=config.ignore_crowd_iof,
        )
        samples = sample_anchors(
            matches.match_labels, batch.keys, RPN_STREAM, config.samples, config.positive_fraction
        )
        sparse_pays = (
            2 * config.samples * self.model.anchors.per_cell < all_anchors.shape[1]
        )  # most cells carry no loss
        sparse = sparse_pays and self.model.kernels.sparse_rpn
        with torch.set_grad_enabled(torch.is_grad_enabled() and not sparse):
            logits, offsets = self.model.rpn(levels)
        proposals = self.model.propose(logits, offsets, anchors, batch.sizes, training=True)
        if sparse and torch.is_grad_enabled():
            sampled_logits, sampled_offsets = self.model.rpn.at(levels, samples.indices)
        else:
            sampled_logits = gather_rows(torch.cat(logits, dim=1), samples.indices)
            sampled_offsets = gather_rows(torch.cat(offsets, dim=1), samples.indices)
        objects = gather_rows(batch.boxes, gather_rows(matches.objects, samples.indices))
        targets = encode(objects, gather_rows(all_anchors, samples.indices), RPN_WEIGHTS)
        return rpn_losses(sampled_logits, sampled_offsets, targets, samples, config), proposals

    def _roi(
        self, batch: DetectionBatch, is_object: Tensor, levels: list[Tensor], proposals: Proposals
    ) -> Losses:
        config = self.model.config.roi
        boxes = torch.cat((proposals.boxes, batch.boxes), dim=1)  # objects are candidates too
        valid = torch.cat((proposals.valid, is_object), dim=1)
        matches = match(
            boxes,
            batch.boxes,
            is_object,
            positive_iou=config.positive_iou,
            negative_iou=config.positive_iou,
            low_quality=False,
            crowd=batch.crowd,
            ignore_iof=config.ignore_crowd_iof,
        )
        match_labels = matches.match_labels.masked_fill(~valid, IGNORED)
        samples = sample_anchors(
            match_labels, batch.keys, ROI_STREAM, config.samples, config.positive_fraction
        )
        sampled = gather_rows(boxes, samples.indices)
        matched = gather_rows(matches.objects, samples.indices)
        labels = gather_rows(batch.labels, matched).masked_fill(
            ~samples.positive, self.model.num_classes
        )
        targets = encode(gather_rows(batch.boxes, matched), sampled, ROI_WEIGHTS)
        logits, offsets = self.model.classify(levels, sampled)
        return roi_losses(logits, offsets, labels, targets, samples, config)


def rpn_losses(
    logits: Tensor, offsets: Tensor, targets: Tensor, samples: SampledAnchors, config: RpnConfig
) -> Losses:
    """Binary cross-entropy of the samples' logits (B, S) and box loss of the positives' offsets (B,
    S, 4).
    """
    errors = F.binary_cross_entropy_with_logits(
        logits.float(), samples.positive.float(), reduction="none"
    )
    count = _count(samples, config)
    return {
        "rpn/class": torch.where(samples.valid, errors, 0).sum() / count,
        "rpn/box": _box_loss(offsets, targets, samples.positive, config) / count,
    }


def roi_losses(
    logits: Tensor,
    offsets: Tensor,
    labels: Tensor,
    targets: Tensor,
    samples: SampledAnchors,
    config: RoiConfig,
) -> Losses:
    """Cross-entropy of the samples' logits (B, S, F + 1), box loss of the positives' own-class
    offsets (B, S, F, 4).
    """
    errors = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(
        labels
    )
    class_offsets = labels.clamp(max=offsets.shape[2] - 1)[..., None, None].expand(-1, -1, 1, 4)
    count = _count(samples, config)
    return {
        "roi/class": torch.where(samples.valid, errors, 0).sum() / count,
        "roi/box": (
            _box_loss(offsets.gather(2, class_offsets)[:, :, 0], targets, samples.positive, config)
            / count
        ),
    }


def _count(samples: SampledAnchors, config: RpnConfig | RoiConfig) -> Tensor | int:
    """What losses are divided by: all slots, which is the same on every rank, or those that are
    filled.
    """
    if config.normalizer == "fixed":
        return config.samples * len(samples.valid)
    return samples.valid.sum().clamp(min=1)


def _box_loss(
    offsets: Tensor, targets: Tensor, positive: Tensor, config: RpnConfig | RoiConfig
) -> Tensor:
    """Sum over the positives; the others' targets may be infinite, so they are replaced before the
    difference.
    """
    targets = torch.where(positive[..., None], targets, 0)
    predictions = torch.where(positive[..., None], offsets.float(), 0)
    return box_loss(predictions, targets, config.box_loss, config.beta)


def box_loss(
    offsets: Tensor, targets: Tensor, name: Literal["l1", "smooth_l1"], beta: float
) -> Tensor:
    """Summed L1 or smooth L1 difference of offsets (..., 4)."""
    if name == "l1":
        return F.l1_loss(offsets, targets, reduction="sum")
    return F.smooth_l1_loss(offsets, targets, beta=beta, reduction="sum")
