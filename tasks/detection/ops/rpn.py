"""Predictions of a region proposal head: for all anchors, and for those in the loss.

B images, C channels, h x w cells of a level, R anchors a cell, A anchors in all, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.detection.ops.kernels.rpn_sparse import predict_at
from tasks.detection.ops.matching import gather_rows
from tasks.detection.ops.pyramid import shapes_of

Predictions = tuple[list[Tensor], list[Tensor]]
"""Logits (B, h · w · R) and offsets (B, h · w · R, 4) of each level's anchors."""
Layers = tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]
"""A 3x3 convolution, and two of 1x1 after it with R and 4 · R channels: logits and offsets."""


@dataclass(frozen=True)
class AnchorPredictions:
    """Predictions of all anchors, for proposals, and of those in the loss."""

    logits: list[Tensor]  # (B, h · w · R) of each level
    offsets: list[Tensor]  # (B, h · w · R, 4)
    sampled_logits: Tensor  # (B, S)
    sampled_offsets: Tensor  # (B, S, 4)


def predict_anchors(
    dense: Callable[[], Predictions], layers: Layers, pyramid: Sequence[Tensor], indices: Tensor
) -> AnchorPredictions:
    """Predict all anchors, and those at `indices` (B, S) with gradients.

    `dense` applies the layers to every cell of the maps (B, C, h, w). The routes: if few anchors
    are sampled, all are predicted without gradients and the sampled ones again by themselves, so
    that the backward pass touches S windows instead of every cell. Otherwise, and without
    gradients, the sampled ones are selected from all.
    """
    per_cell = layers[1].out_channels
    cells = sum(height * width for height, width in shapes_of(pyramid))
    sparse = sparse_pays(indices.shape[1], per_cell, per_cell * cells)
    learns = torch.is_grad_enabled()
    with torch.set_grad_enabled(learns and not sparse):
        logits, offsets = dense()
    if learns and sparse:
        sampled_logits, sampled_offsets = predict_at(*layers, pyramid, indices)
    else:
        sampled_logits = gather_rows(torch.cat(logits, dim=1), indices)
        sampled_offsets = gather_rows(torch.cat(offsets, dim=1), indices)
    return AnchorPredictions(logits, offsets, sampled_logits, sampled_offsets)


def sparse_pays(samples: int, per_cell: int, anchors: int) -> bool:
    """Whether most cells have no loss if `samples` of this many anchors are sampled."""
    return 2 * samples * per_cell < anchors
