"""RoIAlign by one call of torchvision's kernel on a map with all levels: the route for a GPU.

B images, K boxes an image, C channels; boxes are (x1, y1, x2, y2) in cells of their own level.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from tasks.engine.constants import device_constant


def pool_packed(
    pyramid: Sequence[Tensor], boxes: Tensor, level: Tensor, resolution: int, sampling_ratio: int
) -> Tensor:
    """Pool RoI features (B · K, C, r, r) of boxes (B, K, 4), each from its `level` (B, K) of the
    feature maps (B, C, h, w), fine to coarse.

    Half-pixel-correct only: the legacy rule reads zeros beyond a map's edge, but here other levels
    lie there. Gradients are added up in arbitrary order.
    """
    packed_pyramid, origins = pack_pyramid(pyramid)
    left = device_constant(tuple(float(x) for x, _ in origins), boxes.device)[level]
    top = device_constant(tuple(float(y) for _, y in origins), boxes.device)[level]
    corner = torch.stack((left, top, left, top), dim=-1)  # (B, K, 4)
    image = torch.arange(len(boxes), dtype=torch.float32, device=boxes.device)[:, None, None]
    rois = torch.cat((image.expand(-1, boxes.shape[1], 1), boxes + corner), dim=-1).flatten(0, 1)
    with torch.autocast(boxes.device.type, enabled=False):
        pooled: Tensor = roi_align(
            packed_pyramid, rois, resolution, 1.0, sampling_ratio or -1, aligned=True
        )
    return pooled.to(pyramid[0].dtype)


def pack_pyramid(pyramid: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
    """Pack all levels (B, C, h, w) into one fp32 map (B, C, H, W), and return each level's origin
    (x, y).

    The finest level lies above a row of the others. Each has a border of one replicated cell.
    RoIAlign reads at most one cell outside a map and takes the edge's value there, so a box reads
    the same numbers as from its own level alone.
    """
    finest, *others = (F.pad(level.float(), (1, 1, 1, 1), mode="replicate") for level in pyramid)
    if not others:
        return finest, [(1, 1)]
    height = max(level.shape[2] for level in others)
    row = torch.cat([F.pad(level, (0, 0, 0, height - level.shape[2])) for level in others], dim=3)
    width = max(finest.shape[3], row.shape[3])
    packed_pyramid = torch.cat(
        [F.pad(part, (0, width - part.shape[3], 0, 0)) for part in (finest, row)], dim=2
    )
    left = [sum(level.shape[3] for level in others[:index]) for index in range(len(others))]
    return packed_pyramid, [(1, 1), *((x + 1, finest.shape[2] + 1) for x in left)]
