"""Sample the proposals that train the heads.

B images, G padded objects, S samples, F foreground classes; boxes are (x1, y1, x2, y2) in pixels of
the resized image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.detection.config import RoiConfig
from tasks.detection.model.ground_truth import GroundTruth
from tasks.detection.model.proposals import Proposals
from tasks.detection.ops.matching import IGNORED, gather_rows, match, sample_anchors
from tasks.engine.randomness import Stream


@dataclass(frozen=True)
class RoiSamples:
    """Proposals drawn for the losses, in S fixed slots an image, each with an object."""

    boxes: Tensor
    """(B, S, 4)."""
    objects: Tensor
    """(B, S) int64, the object of largest overlap, whatever the overlap."""
    object_boxes: Tensor
    """(B, S, 4), that object's box."""
    labels: Tensor
    """(B, S) int64; F for the background."""
    positive: Tensor
    """(B, S) bool; false for the background."""
    valid: Tensor
    """(B, S) bool; false marks a slot for which there was no proposal left."""


def sample_rois(
    proposals: Proposals, truth: GroundTruth, num_classes: int, config: RoiConfig
) -> RoiSamples:
    """Match proposals to objects and draw `config.samples` of them an image.

    The objects themselves are candidates too.
    """
    boxes = torch.cat((proposals.boxes, truth.boxes), dim=1)
    valid = torch.cat((proposals.valid, truth.is_object), dim=1)
    matches = match(
        boxes,
        truth.boxes,
        truth.is_object,
        positive_iou=config.positive_iou,
        negative_iou=config.positive_iou,
        low_quality=False,
        crowd=truth.crowd,
        ignore_iof=config.ignore_crowd_iof,
    )
    sampled = sample_anchors(
        matches.match_labels.masked_fill(~valid, IGNORED),
        truth.keys,
        Stream.PROPOSALS,
        config.samples,
        config.positive_fraction,
    )
    objects = gather_rows(matches.objects, sampled.indices)
    labels = gather_rows(truth.labels, objects).masked_fill(~sampled.positive, num_classes)
    return RoiSamples(
        boxes=gather_rows(boxes, sampled.indices),
        objects=objects,
        object_boxes=gather_rows(truth.boxes, objects),
        labels=labels,
        positive=sampled.positive,
        valid=sampled.valid,
    )
