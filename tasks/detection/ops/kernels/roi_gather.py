"""RoIAlign as weighted sums of gathered cells: the route for a CPU, and for the legacy rule.

N boxes, r x r cells of a box's RoI features, C channels, P pyramid cells read for each of them;
boxes are (x1, y1, x2, y2) in cells of their own level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.detection.ops.kernels.cells import level_layout, list_cells
from tasks.detection.ops.pyramid import shapes_of

POINTS_AT_ONCE = 1 << 23
"""Most points in memory at once, with cells and weights, if their number depends on the boxes: 200
MB."""


@dataclass(frozen=True)
class RoiGrid:
    """The sample points of RoIAlign in a box."""

    resolution: int
    """r."""
    sampling_ratio: int
    """Sample points of an RoI cell along each axis; 0 takes as many as there are pyramid cells."""
    aligned: bool
    """Half-pixel-correct; false is the legacy rule."""


@dataclass(frozen=True)
class LevelAddress:
    """Places of N boxes' levels in the table of all images' cells."""

    offset: Tensor
    """(N,) int64, index of cell (0, 0) of the box's level in its image."""
    row_stride: Tensor
    """(N,) int64, index distance from a cell to the one below it."""
    shape: Tensor
    """(N, 2) int64, height and width of the level in cells."""

    def of(self, chosen: Tensor) -> LevelAddress:
        """Return those of some boxes, by index."""
        return LevelAddress(self.offset[chosen], self.row_stride[chosen], self.shape[chosen])


def gather_rois(pyramid: Sequence[Tensor], boxes: Tensor, level: Tensor, grid: RoiGrid) -> Tensor:
    """Pool RoI features (B · K, C, r, r) of boxes (B, K, 4), each from its `level` (B, K) of the
    feature maps (B, C, h, w), fine to coarse.

    The result is channels_last. The adaptive sampling ratio 0 reads the boxes on the host.
    """
    layout = level_layout(shapes_of(pyramid), boxes.device)
    image = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(level)
    address = LevelAddress(
        offset=(image * layout.count + layout.offset[level]).flatten(),
        row_stride=layout.row_stride[level].flatten(),
        shape=layout.shape[level].flatten(0, 1),
    )
    cells = list_cells(pyramid).flatten(0, 1)  # (B · A, C)
    if torch.is_grad_enabled():
        cells = cells.float()  # bf16 would add up the gradients of many boxes in bf16
    pool = _pool_fixed if grid.sampling_ratio else _pool_adaptive
    pooled = pool(cells, boxes.flatten(0, 1), address, grid)  # (N, r · r, C)
    side = grid.resolution
    roi_features = pooled.view(-1, side, side, cells.shape[1]).permute(0, 3, 1, 2)
    return roi_features.to(pyramid[0].dtype)


def _pool_fixed(cells: Tensor, boxes: Tensor, address: LevelAddress, grid: RoiGrid) -> Tensor:
    """Pool (N, r · r, C) from the same number of points in every RoI cell."""
    index, weight = _points(boxes, address, grid, grid.sampling_ratio, grid.sampling_ratio)
    pooled = F.embedding_bag(
        index.flatten(0, 1),
        cells,
        mode="sum",
        per_sample_weights=weight.flatten(0, 1).to(cells.dtype),
    )  # (N · r · r, C)
    return pooled.view(len(boxes), -1, cells.shape[1])


def _pool_adaptive(cells: Tensor, boxes: Tensor, address: LevelAddress, grid: RoiGrid) -> Tensor:
    """Pool (N, r · r, C) from as many points in an RoI cell as the box has pyramid cells there.

    Boxes with the same numbers are pooled together.
    """
    low, high = _edges(boxes[:, :2], boxes[:, 2:], grid)
    ratios = ((high - low) / grid.resolution).ceil().clamp(min=0).long()  # (N, 2): along x, along y
    distinct, group = torch.unique(ratios, dim=0, return_inverse=True)
    order = group.argsort(stable=True)
    counts = group.bincount(minlength=len(distinct)).tolist()
    parts: list[Tensor] = []
    bags: list[tuple[Tensor, Tensor]] = []
    for (columns, rows), chosen in zip(distinct.tolist(), order.split(counts), strict=True):
        points_of_box = 4 * grid.resolution**2 * max(1, rows * columns)
        for some in chosen.split(max(1, POINTS_AT_ONCE // points_of_box)):
            bag = _points(boxes[some], address.of(some), grid, rows, columns)
            if bags and sum(index.numel() for index, _ in (*bags, bag)) > POINTS_AT_ONCE:
                parts.append(_sum_bags(cells, bags))
                bags = []
            bags.append(bag)
    pooled = torch.cat([*parts, _sum_bags(cells, bags)]).view(len(boxes), -1, cells.shape[1])
    return pooled[order.argsort()]


def _points(
    boxes: Tensor, address: LevelAddress, grid: RoiGrid, rows: int, columns: int
) -> tuple[Tensor, Tensor]:
    """Return the cells (N, r · r, P) and weights of rows x columns sample points in each RoI cell;
    P is four times that number.
    """
    height, width = address.shape.unbind(-1)
    x, x_weight = _axis(boxes[:, 0], boxes[:, 2], width, grid, columns)  # (N, r, 2 · columns)
    y, y_weight = _axis(boxes[:, 1], boxes[:, 3], height, grid, rows)
    line = address.offset[:, None, None] + y * address.row_stride[:, None, None]
    index = line[:, :, None, :, None] + x[:, None, :, None, :]  # (N, r, r, 2 · rows, 2 · columns)
    weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    shape = (len(boxes), grid.resolution**2, 4 * rows * columns)
    return index.reshape(shape), weight.reshape(shape)


def _edges(low: Tensor, high: Tensor, grid: RoiGrid) -> tuple[Tensor, Tensor]:
    """Return begin and end of RoI features, in cell indices, with torchvision's order of
    rounding.
    """
    if grid.aligned:
        return low - 0.5, high - 0.5
    return low, low + (high - low).clamp(min=1)


def _axis(
    low: Tensor, high: Tensor, cells: Tensor, grid: RoiGrid, ratio: int
) -> tuple[Tensor, Tensor]:
    """Return the cells (N, r, 2 · ratio) and weights of the sample points along one axis of `cells`
    (N,), as in torchvision's roi_align.
    """
    start, end = _edges(low, high, grid)
    steps = (torch.arange(grid.resolution * ratio, device=low.device) + 0.5) / max(ratio, 1)
    points = start[:, None] + steps * ((end - start) / grid.resolution)[:, None]  # (N, r · ratio)
    limit = cells[:, None]
    inside = (points >= -1) & (points <= limit)
    points = torch.minimum(points.clamp(min=0), (limit - 1).to(points.dtype))
    floor = points.floor()
    fraction = points - floor
    lower = floor.long()
    upper = torch.minimum(lower + 1, limit - 1)
    index = torch.stack((lower, upper), dim=-1)
    weight = torch.stack((1 - fraction, fraction), dim=-1) * (inside[..., None] / max(ratio, 1))
    shape = (len(low), grid.resolution, 2 * ratio)
    return index.reshape(shape), weight.reshape(shape)


def _sum_bags(cells: Tensor, bags: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum up the weighted cells that each of `bags` (n, bags a box, points) names, (bags, C)."""
    sizes = [
        torch.full((index.shape[0] * index.shape[1],), index.shape[2], device=cells.device)
        for index, _ in bags
    ]
    offsets = F.pad(torch.cat(sizes).cumsum(0), (1, 0))
    index = torch.cat([index.flatten() for index, _ in bags])
    weight = torch.cat([weight.flatten() for _, weight in bags]).to(cells.dtype)
    return F.embedding_bag(
        index, cells, offsets, mode="sum", per_sample_weights=weight, include_last_offset=True
    )
