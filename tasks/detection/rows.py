"""A feature pyramid as one table of rows, so that cells of any level are gathered in one operation.

B images, C channels, R rows an image; each level keeps a border of one cell around it (zeros), row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

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


@lru_cache(maxsize=256)
def level_layout(shapes: Shapes, device: torch.device) -> LevelLayout:
    """Layout of levels of `shapes` (height, width), fine to coarse, each with its border."""
    starts, pitches, total = [], [], 0
    for height, width in shapes:
        starts.append(total + (width + 2) + 1)
        pitches.append(width + 2)
        total += (height + 2) * (width + 2)
    return LevelLayout(
        torch.tensor(starts, device=device),
        torch.tensor(pitches, device=device),
        torch.tensor(shapes, device=device),
        total,
    )


@lru_cache(maxsize=256)
def cell_rows(shapes: Shapes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row (cells,) and pitch (cells,) of every cell, level by level, each in reading order."""
    layout = level_layout(shapes, torch.device("cpu"))
    rows, pitches = [], []
    for level, (height, width) in enumerate(shapes):
        pitch = layout.pitch[level]
        grid = layout.start[level] + torch.arange(height)[:, None] * pitch + torch.arange(width)
        rows.append(grid.flatten())
        pitches.append(pitch.expand(height * width))
    return torch.cat(rows).to(device), torch.cat(pitches).to(device)


def shapes_of(levels: Sequence[Tensor]) -> Shapes:
    """Heights and widths of feature maps (B, C, h, w)."""
    return tuple((level.shape[2], level.shape[3]) for level in levels)


def pyramid_rows(levels: Sequence[Tensor]) -> Tensor:
    """Rows (B, R, C) of feature maps (B, C, h, w), laid out as `level_layout` says."""
    padded = (F.pad(level, (1, 1, 1, 1)).permute(0, 2, 3, 1).flatten(1, 2) for level in levels)
    return torch.cat(list(padded), dim=1)
