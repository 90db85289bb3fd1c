"""Match anchors or proposals to objects, and sample them, without a loop over images and without a
wait for the device.

B images, A anchors or proposals, G padded objects, S samples; boxes are (x1, y1, x2, y2) in pixels
of the resized image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.detection.ops.boxes import box_iou, intersection_over_first
from tasks.engine.randomness import Stream, uniform

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1

OVERLAPS_AT_ONCE = 1 << 24
"""Overlaps held at a time: 16 Mi numbers, 64 MiB each for the overlaps and for their few
temporaries."""


@dataclass(frozen=True)
class Matches:
    """The object of each anchor, and whether the anchor is a positive, a negative or ignored."""

    objects: Tensor
    """(B, A) int64, the object of largest overlap, whatever the overlap."""
    match_labels: Tensor
    """(B, A) int8: POSITIVE, NEGATIVE or IGNORED."""


@dataclass(frozen=True)
class SampledAnchors:
    """Anchors drawn for the loss, in S fixed slots an image."""

    indices: Tensor
    """(B, S) int64 into the anchors."""
    positive: Tensor
    """(B, S) bool."""
    valid: Tensor
    """(B, S) bool; false marks a slot for which there was no anchor left."""


def match(
    anchors: Tensor,
    objects: Tensor,
    is_object: Tensor,
    *,
    positive_iou: float,
    negative_iou: float,
    low_quality: bool,
    crowd: Tensor | None = None,
    ignore_iof: float | None = None,
    overlaps_at_once: int = OVERLAPS_AT_ONCE,
) -> Matches:
    """Match anchors (B or 1, A, 4) to the objects (B, G, 4) that are marked by `is_object` (B, G).

    Overlap of at least `positive_iou` is positive, below `negative_iou` negative, between them
    ignored. With `low_quality`, the best anchors of each object are positive too, but keep the
    object that they themselves overlap most (torchvision's and detectron2's Matcher; Ren et al.
    2015, 3.1.2). With `ignore_iof`, negatives with at least that share in one of the `crowd` boxes
    (B, G) are ignored. Memory stays below a few times 4 · overlaps_at_once bytes: anchors are taken
    in chunks.
    """
    chunk = max(1, overlaps_at_once // max(1, objects.shape[0] * objects.shape[1]))
    chunks = torch.split(anchors, chunk, dim=1)
    kept = [_overlaps(part, objects, is_object) for part in chunks] if len(chunks) == 1 else None
    best = torch.full(objects.shape[:2], -1.0, device=objects.device)
    if low_quality:
        for number, part in enumerate(chunks):
            overlaps = kept[number] if kept else _overlaps(part, objects, is_object)
            best = torch.maximum(best, overlaps.amax(dim=1))  # (B, G)
    nearest: list[Tensor] = []
    labels: list[Tensor] = []
    for number, part in enumerate(chunks):
        overlaps = kept[number] if kept else _overlaps(part, objects, is_object)
        largest, index = overlaps.max(dim=2)  # (B, a)
        positive = largest >= positive_iou
        if low_quality:
            positive = positive | ((overlaps == best[:, None]) & is_object[:, None]).any(dim=2)
        label = torch.where(largest < negative_iou, NEGATIVE, IGNORED)
        if ignore_iof is not None and crowd is not None:
            inside = (intersection_over_first(part, objects) >= ignore_iof) & crowd[:, None]
            label = torch.where(inside.any(dim=2), IGNORED, label)
        nearest.append(index)
        labels.append(torch.where(positive, POSITIVE, label).to(torch.int8))
    return Matches(torch.cat(nearest, dim=1), torch.cat(labels, dim=1))


def _overlaps(anchors: Tensor, objects: Tensor, is_object: Tensor) -> Tensor:
    """Compute the IoU (B, A, G); -1 for missing objects."""
    return box_iou(anchors, objects).masked_fill_(~is_object[:, None], -1.0)


def sample_anchors(
    match_labels: Tensor, keys: Tensor, stream: Stream, count: int, positive_fraction: float
) -> SampledAnchors:
    """Draw `count` anchors an image: positives up to their fraction, uniformly, then negatives.

    The draw depends only on the image's key (B,) and `stream`: random keys and top-k, without
    reading back. Counts are those of torchvision's BalancedPositiveNegativeSampler.
    """
    draw = uniform(keys, stream, match_labels.shape[1])  # (B, A) in [0, 1)
    most = min(int(count * positive_fraction), match_labels.shape[1])
    values, indices = torch.where(match_labels == POSITIVE, draw, -1.0).topk(most, dim=1)
    chosen = torch.zeros_like(match_labels, dtype=torch.bool).scatter_(1, indices, values >= 0)
    order = torch.where(chosen, draw + 2, torch.where(match_labels == NEGATIVE, draw, -1.0))
    values, indices = order.topk(min(count, match_labels.shape[1]), dim=1)
    return SampledAnchors(indices, positive=values >= 2, valid=values >= 0)


def gather_rows(values: Tensor, indices: Tensor) -> Tensor:
    """Gather the rows (B, S, ...) of values (B or 1, A, ...) at indices (B, S)."""
    expanded = indices.view(*indices.shape, *(1,) * (values.dim() - 2)).expand(
        *indices.shape, *values.shape[2:]
    )
    return values.expand(indices.shape[0], *values.shape[1:]).gather(1, expanded)
