"""RoIAlign over a pyramid.  B images, K boxes an image, N = B · K, C channels; boxes are (x1, y1, x2, y2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from tasks.detection.config import RoiConfig
from tasks.detection.ops.boxes import box_area
from tasks.detection.ops.kernels.cells import level_layout, level_rows, shapes_of
from tasks.engine.constants import device_constant

LARGEST_PART = 1 << 23
"""Most samples whose rows and weights are in memory at once where their number follows the boxes:
200 MB."""


RoiPath = Literal["gather", "atlas", "plain"]


@dataclass(frozen=True)
class Places:
    """Where N boxes' levels lie in the table of rows."""

    first: Tensor
    """(N,) int64, row of cell (0, 0) of the box's level in its image."""
    pitch: Tensor
    """(N,) int64, rows from one cell to the cell below it."""
    shape: Tensor
    """(N, 2) int64, height and width of the level in cells."""

    def of(self, chosen: Tensor) -> Places:
        """Those of some boxes, by index."""
        return Places(self.first[chosen], self.pitch[chosen], self.shape[chosen])


def assign_levels(boxes: Tensor, levels: int, rule: Literal["detectron2", "torchvision"]) -> Tensor:
    """Pyramid level (...,) int64 of each box, 0 being p2: p4 for 224 pixels, p3 for half (Lin et
    al. 2017, eq. 1).

    The rules differ in where a small number keeps exact powers of two on their level: detectron2
    adds 1e-8 inside the logarithm, torchvision 1e-6 outside.
    """
    side = box_area(boxes).sqrt()
    if rule == "detectron2":
        level = torch.floor(4 + torch.log2(side / 224 + 1e-8))
    else:
        level = torch.floor(4 + torch.log2(side / 224) + 1e-6)
    return level.clamp(2, levels + 1).nan_to_num(2).long() - 2


class RoiAlign:
    """Windows (N, C, r, r) of boxes (B, K, 4), each from the pyramid level of its size.

    `gather` sums weighted rows of the pyramid: the fast path of a CPU. `atlas` lays the levels out
    in one map and calls torchvision's kernel once: the path of a GPU; the legacy rule, which reads
    zeros beyond a map's edge, takes `gather` there. `plain` calls the kernel for every level and
    keeps each box's own. The adaptive sampling ratio 0 reads the boxes on the host in `gather`.
    """

    def __init__(self, config: RoiConfig, strides: Sequence[int], path: RoiPath) -> None:
        self.config = config
        self.strides = tuple(strides)
        self.path = path if config.aligned or path == "plain" else "gather"

    def __call__(self, levels: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """Windows of `boxes` (B, K, 4) in feature maps (B, C, h, w), fine to coarse."""
        level = assign_levels(boxes, len(levels), self.config.level_rule)  # (B, K)
        if self.path == "plain":
            return self._plain(levels, boxes, level)
        scales = device_constant(tuple(1 / stride for stride in self.strides), boxes.device)
        scaled = boxes * scales[level][..., None]
        if self.path == "gather":
            return self._gather(levels, scaled, level)
        return self._atlas(levels, scaled, level)

    def _gather(self, levels: Sequence[Tensor], boxes: Tensor, level: Tensor) -> Tensor:
        """The windows of boxes (B, K, 4) in cells of their `level` (B, K)."""
        side, layout = self.config.resolution, level_layout(shapes_of(levels), boxes.device)
        image = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(level)
        first = (
            image * layout.total + layout.start[level]
        ).flatten()  # (N,) row of each box's cell (0, 0)
        places = Places(first, layout.pitch[level].flatten(), layout.shape[level].flatten(0, 1))
        table = level_rows(levels).flatten(0, 1)
        if torch.is_grad_enabled():
            table = table.float()  # bf16 would add up many boxes' gradients in bf16
        sample = self._sample_fixed if self.config.sampling_ratio else self._sample_adaptive
        pooled = sample(table, boxes.flatten(0, 1), places)  # (N, r · r, C)
        windows = pooled.view(-1, side, side, table.shape[1]).permute(0, 3, 1, 2)
        return windows.to(levels[0].dtype)

    def _sample_fixed(self, table: Tensor, boxes: Tensor, places: Places) -> Tensor:
        ratio = self.config.sampling_ratio
        index, weight = self._samples(boxes, places, ratio, ratio)
        pooled = F.embedding_bag(
            index.flatten(0, 1),
            table,
            mode="sum",
            per_sample_weights=weight.flatten(0, 1).to(table.dtype),
        )  # (N · r · r, C)
        return pooled.view(len(boxes), -1, table.shape[1])

    def _sample_adaptive(self, table: Tensor, boxes: Tensor, places: Places) -> Tensor:
        """As many samples per window cell as the box has pyramid cells there; boxes of one number
        go together.
        """
        low, high = self._edges(boxes[:, :2], boxes[:, 2:])
        grids = (
            ((high - low) / self.config.resolution).ceil().clamp(min=0).long()
        )  # (N, 2): along x, along y
        kinds, kind = torch.unique(grids, dim=0, return_inverse=True)
        order = kind.argsort(stable=True)
        parts: list[Tensor] = []
        bags: list[tuple[Tensor, Tensor]] = []
        counts = kind.bincount(minlength=len(kinds)).tolist()
        for (columns, rows), chosen in zip(kinds.tolist(), order.split(counts), strict=True):
            most = max(1, LARGEST_PART // (4 * self.config.resolution**2 * max(1, rows * columns)))
            for some in chosen.split(most):
                bag = self._samples(boxes[some], places.of(some), rows, columns)
                if bags and sum(index.numel() for index, _ in (*bags, bag)) > LARGEST_PART:
                    parts.append(_sum_bags(table, bags))
                    bags = []
                bags.append(bag)
        pooled = torch.cat([*parts, _sum_bags(table, bags)]).view(len(boxes), -1, table.shape[1])
        return pooled[order.argsort()]

    def _samples(
        self, boxes: Tensor, places: Places, rows: int, columns: int
    ) -> tuple[Tensor, Tensor]:
        """Table rows (N, r · r, 4 · rows · columns) and weights of so many sample points per window
        cell.
        """
        height, width = places.shape.unbind(-1)
        x, x_weight = self._axis(boxes[:, 0], boxes[:, 2], width, columns)  # (N, r, 2 · columns)
        y, y_weight = self._axis(boxes[:, 1], boxes[:, 3], height, rows)
        line = places.first[:, None, None] + y * places.pitch[:, None, None]
        index = (
            line[:, :, None, :, None] + x[:, None, :, None, :]
        )  # (N, r, r, 2 · rows, 2 · columns)
        weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
        shape = (len(boxes), self.config.resolution**2, 4 * rows * columns)
        return index.reshape(shape), weight.reshape(shape)

    def _edges(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Where a window begins and ends, in cells' indices; torchvision's order of rounding."""
        if self.config.aligned:
            return low - 0.5, high - 0.5
        return low, low + (high - low).clamp(min=1)

    def _axis(self, low: Tensor, high: Tensor, cells: Tensor, ratio: int) -> tuple[Tensor, Tensor]:
        """Cells (N, r, 2 s) and weights of the sample points along one axis, as torchvision's
        roi_align takes them.
        """
        resolution = self.config.resolution
        start, end = self._edges(low, high)
        steps = (torch.arange(resolution * ratio, device=low.device) + 0.5) / max(ratio, 1)
        points = start[:, None] + steps * ((end - start) / resolution)[:, None]  # (N, r s)
        limit = cells[:, None]
        inside = (points >= -1) & (points <= limit)
        points = torch.minimum(points.clamp(min=0), (limit - 1).to(points.dtype))
        floor = points.floor()
        fraction = points - floor
        first = floor.long()
        second = torch.minimum(first + 1, limit - 1)
        index = torch.stack((first, second), dim=-1)
        weight = torch.stack((1 - fraction, fraction), dim=-1) * (inside[..., None] / max(ratio, 1))
        shape = (len(low), resolution, 2 * ratio)
        return index.reshape(shape), weight.reshape(shape)

    def _plain(self, levels: Sequence[Tensor], boxes: Tensor, level: Tensor) -> Tensor:
        image = torch.arange(len(boxes), dtype=torch.float32, device=boxes.device)[:, None, None]
        rois = torch.cat((image.expand(-1, boxes.shape[1], 1), boxes), dim=-1).flatten(0, 1)
        side, ratio = self.config.resolution, self.config.sampling_ratio or -1
        pooled = levels[0].new_zeros(len(rois), levels[0].shape[1], side, side)
        for number, (features, stride) in enumerate(zip(levels, self.strides, strict=True)):
            own = (level.flatten() == number).nonzero()[:, 0]
            with torch.autocast(boxes.device.type, enabled=False):
                windows = roi_align(
                    features.float(), rois[own], side, 1 / stride, ratio, self.config.aligned
                )
            pooled = pooled.index_copy(0, own, windows.to(pooled.dtype))
        return pooled

    def _atlas(self, levels: Sequence[Tensor], boxes: Tensor, level: Tensor) -> Tensor:
        atlas, origins = make_atlas(levels)
        left = device_constant(tuple(float(x) for x, _ in origins), boxes.device)[level]
        top = device_constant(tuple(float(y) for _, y in origins), boxes.device)[level]
        corner = torch.stack((left, top, left, top), dim=-1)  # (B, K, 4)
        image = torch.arange(len(boxes), dtype=torch.float32, device=boxes.device)[:, None, None]
        rois = torch.cat((image.expand(-1, boxes.shape[1], 1), boxes + corner), dim=-1).flatten(
            0, 1
        )
        side, ratio = self.config.resolution, self.config.sampling_ratio or -1
        with torch.autocast(boxes.device.type, enabled=False):
            pooled: Tensor = roi_align(atlas, rois, side, 1.0, ratio, self.config.aligned)
        return pooled.to(levels[0].dtype)


def _sum_bags(table: Tensor, bags: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Weighted sums (bags, C) of the rows that each of `bags` (n, bags a box, samples) names."""
    sizes = [
        torch.full((index.shape[0] * index.shape[1],), index.shape[2], device=table.device)
        for index, _ in bags
    ]
    offsets = F.pad(torch.cat(sizes).cumsum(0), (1, 0))
    index = torch.cat([index.flatten() for index, _ in bags])
    weight = torch.cat([weight.flatten() for _, weight in bags]).to(table.dtype)
    return F.embedding_bag(
        index, table, offsets, mode="sum", per_sample_weights=weight, include_last_offset=True
    )


def make_atlas(levels: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
    """One fp32 map (B, C, H, W) of all levels (B, C, h, w), and each level's origin (x, y) in it.

    The finest level lies above the others, which stand in a row. Each keeps a border of one
    replicated cell: RoIAlign reads at most one cell outside a map and takes the edge's value there,
    so a box that lies in its level reads the same numbers as from the level by itself.
    """
    finest, *others = (F.pad(level.float(), (1, 1, 1, 1), mode="replicate") for level in levels)
    if not others:
        return finest, [(1, 1)]
    height = max(level.shape[2] for level in others)
    row = torch.cat([F.pad(level, (0, 0, 0, height - level.shape[2])) for level in others], dim=3)
    width = max(finest.shape[3], row.shape[3])
    atlas = torch.cat(
        [F.pad(part, (0, width - part.shape[3], 0, 0)) for part in (finest, row)], dim=2
    )
    left = [sum(level.shape[3] for level in others[:index]) for index in range(len(others))]
    return atlas, [(1, 1), *((x + 1, finest.shape[2] + 1) for x in left)]
