"""Region proposal network (Ren et al. 2015) on a feature pyramid (Lin et al. 2017).

B images, C channels, h x w cells of a level, R anchors a cell, A anchors in all, S samples; boxes
are (x1, y1, x2, y2) in pixels of the resized image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_backbones.features import FeatureLevel
from tasks.detection.config import AnchorConfig, RpnConfig
from tasks.detection.model.anchors import AnchorGenerator
from tasks.detection.model.ground_truth import GroundTruth
from tasks.detection.model.proposals import Proposals, select_proposals
from tasks.detection.ops.boxes import OffsetWeights, encode
from tasks.detection.ops.losses import Losses, loss_normalizer, positive_box_loss
from tasks.detection.ops.matching import Matches, SampledAnchors, gather_rows, match, sample_anchors
from tasks.detection.ops.pyramid import shapes_of
from tasks.detection.ops.rpn import predict_anchors
from tasks.engine.randomness import Stream
from tasks.vision.padding import Size


class RegionProposer(nn.Module):
    """One 3x3 convolution shared by all levels, then objectness and box offsets of each anchor.

    In training only the sampled anchors enter the loss. If they are few, only they take part in the
    backward pass.
    """

    def __init__(
        self,
        levels: Sequence[FeatureLevel],
        rpn: RpnConfig,
        anchors: AnchorConfig,
        offset_weights: OffsetWeights = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)  # fine to coarse, all of the same channels
        self.config = rpn
        self.anchors = AnchorGenerator([level.stride for level in levels], anchors)
        self.offset_weights = offset_weights
        channels = levels[0].channels
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, self.anchors.per_cell, 1)
        self.offsets = nn.Conv2d(channels, 4 * self.anchors.per_cell, 1)
        for layer in (self.conv, self.objectness, self.offsets):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Predict logits (B, h · w · R) and offsets (B, h · w · R, 4) of each level's anchors."""
        hidden = [F.relu_(self.conv(level)) for level in self._pyramid(features)]
        logits = [self.objectness(level).permute(0, 2, 3, 1).flatten(1) for level in hidden]
        offsets = [
            self.offsets(level).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
            for level in hidden
        ]
        return logits, offsets

    def detect(self, features: Mapping[str, Tensor], sizes: Tensor, padded_size: Size) -> Proposals:
        """Propose boxes for images of valid heights and widths `sizes` (B, 2), padded to
        `padded_size`.
        """
        logits, offsets = self(features)
        anchors = self._anchors(features, padded_size)
        return self._propose(logits, offsets, anchors, sizes, training=False)

    def losses(
        self, features: Mapping[str, Tensor], truth: GroundTruth, sizes: Tensor, padded_size: Size
    ) -> tuple[Losses, Proposals]:
        """Compute `rpn/class` and `rpn/box`, and propose the boxes for training the heads."""
        anchors = self._anchors(features, padded_size)
        all_anchors = torch.cat(anchors)[None]  # (1, A, 4)
        matches, sampled = self._sample(all_anchors, truth)
        predicted = predict_anchors(
            partial(self, features),
            (self.conv, self.objectness, self.offsets),
            self._pyramid(features),
            sampled.indices,
        )
        proposals = self._propose(
            predicted.logits, predicted.offsets, anchors, sizes, training=True
        )
        objects = gather_rows(truth.boxes, gather_rows(matches.objects, sampled.indices))
        sampled_anchors = gather_rows(all_anchors, sampled.indices)
        targets = encode(objects, sampled_anchors, self.offset_weights)
        losses = rpn_losses(
            predicted.sampled_logits, predicted.sampled_offsets, targets, sampled, self.config
        )
        return losses, proposals

    def _sample(self, all_anchors: Tensor, truth: GroundTruth) -> tuple[Matches, SampledAnchors]:
        """Match anchors (1, A, 4) to objects and draw those that enter the loss."""
        config = self.config
        matches = match(
            all_anchors,
            truth.boxes,
            truth.is_object,
            positive_iou=config.positive_iou,
            negative_iou=config.negative_iou,
            low_quality=config.low_quality,
            crowd=truth.crowd,
            ignore_iof=config.ignore_crowd_iof,
        )
        sampled = sample_anchors(
            matches.match_labels,
            truth.keys,
            Stream.ANCHORS,
            config.samples,
            config.positive_fraction,
        )
        return matches, sampled

    def _pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the maps (B, C, h, w) that this part uses, fine to coarse."""
        return [features[level.name] for level in self.levels]

    def _anchors(self, features: Mapping[str, Tensor], padded_size: Size) -> tuple[Tensor, ...]:
        """Return the anchors (h · w · R, 4) of each level."""
        pyramid = self._pyramid(features)
        return self.anchors(padded_size, shapes_of(pyramid), pyramid[0].device)

    def _propose(
        self,
        logits: Sequence[Tensor],
        offsets: Sequence[Tensor],
        anchors: Sequence[Tensor],
        sizes: Tensor,
        *,
        training: bool,
    ) -> Proposals:
        return select_proposals(
            logits, offsets, anchors, sizes, self.config, self.offset_weights, training=training
        )


def rpn_losses(
    logits: Tensor, offsets: Tensor, targets: Tensor, sampled: SampledAnchors, config: RpnConfig
) -> Losses:
    """Compute the binary cross-entropy of the samples' logits (B, S), and the box loss of the
    positives' offsets (B, S, 4).
    """
    errors = F.binary_cross_entropy_with_logits(
        logits.float(), sampled.positive.float(), reduction="none"
    )
    normalizer = loss_normalizer(sampled.valid, config.samples, config.normalizer)
    box_error = positive_box_loss(offsets, targets, sampled.positive, config.box_loss, config.beta)
    return {
        "rpn/class": torch.where(sampled.valid, errors, 0).sum() / normalizer,
        "rpn/box": box_error / normalizer,
    }
