"""Apply the region proposal head to some anchors only.

B images, C channels, R anchors a cell, S anchors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.detection.ops.kernels.cells import bordered_indices, list_bordered_cells
from tasks.detection.ops.pyramid import shapes_of

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1))


def predict_at(
    conv: nn.Conv2d,
    objectness: nn.Conv2d,
    offsets: nn.Conv2d,
    pyramid: Sequence[Tensor],
    indices: Tensor,
) -> tuple[Tensor, Tensor]:
    """Predict logits (B, S) and offsets (B, S, 4) of only the anchors at `indices` (B, S).

    The layers are a 3x3 convolution, and two of 1x1 with R and 4 · R channels; feature maps are (B,
    C, h, w), fine to coarse. The results equal the dense head's, but the backward pass touches S
    3x3 windows instead of every cell.
    """
    per_cell = objectness.out_channels
    cells = list_bordered_cells(pyramid)  # (B, cells, C)
    index_of_cell, row_stride_of_cell = bordered_indices(shapes_of(pyramid), cells.device)
    cell = indices // per_cell
    centre = index_of_cell[cell]
    row_stride = row_stride_of_cell[cell]
    window = torch.stack(
        [centre + dy * row_stride + dx for dy, dx in NEIGHBOURS], dim=-1
    )  # (B, S, 9)
    offset = torch.arange(len(cells), device=cells.device)[:, None, None] * cells.shape[1]
    patches = F.embedding(window + offset, cells.flatten(0, 1)).flatten(2)  # (B, S, 9 · C)
    hidden = F.relu_(_linear(patches, conv))
    logits = _linear(hidden, objectness)  # (B, S, R)
    moved = _linear(hidden, offsets).view(*indices.shape, per_cell, 4)
    anchor = (indices % per_cell)[..., None]
    return (
        logits.gather(2, anchor)[..., 0],
        moved.gather(2, anchor[..., None].expand(-1, -1, -1, 4))[:, :, 0],
    )


def _linear(patches: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Convolve patches (..., kernel cells · C); the weight's gradient is channels_last, as the
    weight is.
    """
    return F.linear(patches, convolution.weight.permute(0, 2, 3, 1).flatten(1), convolution.bias)
