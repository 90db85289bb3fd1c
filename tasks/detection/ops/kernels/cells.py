"""A feature pyramid as one table of rows, so that cells of any level are gathered in one operation.

B images, C channels, R rows an image.  RoIAlign's table holds the cells alone; that of 3x3 windows
keeps a border of one cell of zeros around each level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.engine.constants import device_constant

Shapes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LevelLayout:
    """Where the levels of an image lie in its rows."""

    start: Tensor
    """(L,) int64, row of each level's cell (0, 0)."""
    pitch: Tensor
    """(L,) int64, rows from one cell to the cell below it."""
    shape: Tensor
    """(L, 2) int64, height and width in cells."""
    total: int
    """R, rows of an image."""


def level_layout(shapes: Shapes, device: torch.device) -> LevelLayout:
    """Layout of `level_rows` for levels of `shapes` (height, width), fine to coarse."""
    cells = [height * width for height, width in shapes]
    starts = tuple(accumulate(cells[:-1], initial=0))
    pitches = tuple(width for _, width in shapes)
    sides = tuple(side for shape in shapes for side in shape)
    start, pitch, flat = (
        device_constant(values, device, torch.int64) for values in (starts, pitches, sides)
    )
    return LevelLayout(start, pitch, flat.view(-1, 2), sum(cells))


def level_rows(levels: Sequence[Tensor]) -> Tensor:
    """Rows (B, R, C) of feature maps (B, C, h, w), level by level, each in reading order."""
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], dim=1)


def cell_rows(shapes: Shapes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row (cells,) in `bordered_rows` and pitch (cells,) of every cell, level by level, each in
    reading order.
    """
    rows, pitches, total = [], [], 0
    for height, width in shapes:
        start = total + (width + 2) + 1  # row of cell (0, 0)
        total += (height + 2) * (width + 2)
        below = torch.arange(height, device=device)[:, None] * (width + 2)
        rows.append((start + below + torch.arange(width, device=device)).flatten())
        pitches.append(torch.full((height * width,), width + 2, device=device))
    return torch.cat(rows), torch.cat(pitches)


def shapes_of(levels: Sequence[Tensor]) -> Shapes:
    """Heights and widths of feature maps (B, C, h, w)."""
    return tuple((level.shape[2], level.shape[3]) for level in levels)


def bordered_rows(levels: Sequence[Tensor]) -> Tensor:
    """Rows (B, R, C) of feature maps (B, C, h, w), each in reading order and with a border of
    zeros.
    """
    padded = (F.pad(level, (1, 1, 1, 1)).permute(0, 2, 3, 1).flatten(1, 2) for level in levels)
    return torch.cat(list(padded), dim=1)
