"""Store a feature pyramid as one table of cells, so that one operation gathers cells of all levels.

B images, C channels, L levels, h x w cells of a level, A cells of an image. RoIAlign's table
contains only the cells; the table for 3x3 windows has a border of one zero cell around each level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.detection.ops.pyramid import Shapes
from tasks.engine.constants import device_constant


@dataclass(frozen=True)
class LevelLayout:
    """Places of an image's levels in its table of cells."""

    offset: Tensor
    """(L,) int64, index of each level's cell (0, 0)."""
    row_stride: Tensor
    """(L,) int64, index distance from a cell to the one below it."""
    shape: Tensor
    """(L, 2) int64, height and width in cells."""
    count: int
    """A."""


def level_layout(shapes: Shapes, device: torch.device) -> LevelLayout:
    """Lay out `list_cells` for levels of `shapes` (height, width), fine to coarse."""
    counts = [height * width for height, width in shapes]
    offsets = tuple(accumulate(counts[:-1], initial=0))
    widths = tuple(width for _, width in shapes)
    sides = tuple(side for shape in shapes for side in shape)
    return LevelLayout(
        offset=device_constant(offsets, device, torch.int64),
        row_stride=device_constant(widths, device, torch.int64),
        shape=device_constant(sides, device, torch.int64).view(-1, 2),
        count=sum(counts),
    )


def list_cells(pyramid: Sequence[Tensor]) -> Tensor:
    """List the cells (B, A, C) of feature maps (B, C, h, w), each in reading order."""
    cells = [features.permute(0, 2, 3, 1).flatten(1, 2) for features in pyramid]
    return torch.cat(cells, dim=1)


def list_bordered_cells(pyramid: Sequence[Tensor]) -> Tensor:
    """List the cells (B, A, C) of feature maps (B, C, h, w), each in reading order and with a
    border of zeros.
    """
    bordered = [F.pad(features, (1, 1, 1, 1)) for features in pyramid]
    return list_cells(bordered)


def bordered_indices(shapes: Shapes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Index the real cells in `list_bordered_cells`, level by level, each in reading order.

    Returns their indices and row strides, both int64 and as long as all levels' h x w together.
    """
    indices: list[Tensor] = []
    row_strides: list[Tensor] = []
    count = 0
    for height, width in shapes:
        offset = count + (width + 2) + 1  # of cell (0, 0)
        count += (height + 2) * (width + 2)
        below = torch.arange(height, device=device)[:, None] * (width + 2)
        indices.append((offset + below + torch.arange(width, device=device)).flatten())
        row_strides.append(torch.full((height * width,), width + 2, device=device))
    return torch.cat(indices), torch.cat(row_strides)
