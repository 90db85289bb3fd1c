"""The plain way of each operation that has fast routes; the routes are held equal to it.

B images, K boxes an image, S samples, C channels; boxes are (x1, y1, x2, y2).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.layers import FrozenBatchNorm2d
from tasks.detection.model import box_head
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.region_proposer import RegionProposer
from tasks.detection.ops import rpn
from tasks.detection.ops.matching import gather_rows
from tasks.detection.ops.roi_align import RoiAlign, assign_levels


def roi_align_by_level(align: RoiAlign, features: Mapping[str, Tensor], boxes: Tensor) -> Tensor:
    """torchvision's kernel for all boxes (B, K, 4) on every level, each box keeping its own."""
    assigned = assign_levels(boxes, align.strides, align.level_rule).flatten()
    image = torch.arange(len(boxes)).repeat_interleave(boxes.shape[1]).to(boxes)
    rois = torch.cat((image[:, None], boxes.flatten(0, 1)), dim=1)
    dtype = features[align.levels[0].name].dtype
    side = align.resolution
    pooled = torch.zeros(len(rois), align.levels[0].channels, side, side)
    for number, level in enumerate(align.levels):
        with torch.autocast("cpu", enabled=False):
            of_level = torchvision.ops.roi_align(
                features[level.name].float(),
                rois,
                align.resolution,
                1 / level.stride,
                align.sampling_ratio or -1,
                align.aligned,
            )
        pooled = torch.where((assigned == number)[:, None, None, None], of_level, pooled)
    return pooled.to(dtype)


def predict_everywhere(
    proposer: RegionProposer, features: Mapping[str, Tensor], indices: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits (B, S) and offsets (B, S, 4) of some anchors, out of those of all anchors."""
    logits, offsets = proposer(features)
    return (
        gather_rows(torch.cat(logits, dim=1), indices),
        gather_rows(torch.cat(offsets, dim=1), indices),
    )


def nms_mask(boxes: Tensor, valid: Tensor, threshold: float) -> Tensor:
    """Greedy suppression, box by box, of boxes (B, K, 4) that are sorted by falling score."""
    keep = valid.clone()
    for image in range(len(boxes)):
        overlaps = torchvision.ops.box_iou(boxes[image], boxes[image])
        for better in range(boxes.shape[1]):
            if keep[image, better]:
                keep[image, better + 1 :] &= overlaps[better, better + 1 :] <= threshold
    return keep


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """torch's matrix product."""
    return layer(x)


def use_references(monkeypatch: pytest.MonkeyPatch, model: FasterRCNN) -> None:
    """Have a detector compute everything the plain way; the classes it is made of change too."""
    monkeypatch.setattr(RoiAlign, "__call__", roi_align_by_level)
    monkeypatch.setattr(rpn, "sparse_pays", lambda *_: False)
    monkeypatch.setattr(box_head, "fully_connected", linear)
    for module in model.backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.register_forward_hook(lambda *_: None)  # what is watched is not merged
