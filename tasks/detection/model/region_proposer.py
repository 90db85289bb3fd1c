"""Region proposal network (Ren et al. 2015) on a feature pyramid (Lin et al. 2017).

B images, C channels, R anchors a cell, A anchors in all, S samples, K proposals; boxes are (x1, y1,
x2, y2) in pixels of the resized image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.detection.config import RpnConfig
from tasks.detection.ops.boxes import clip_to_image, decode, is_nonempty
from tasks.detection.ops.kernels.cells import bordered_rows, cell_rows, shapes_of
from tasks.detection.ops.suppression import nms_mask

OFFSET_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class Proposals:
    """Candidate boxes of a batch, padded to K an image and sorted by falling objectness."""

    boxes: Tensor
    """(B, K, 4) float32."""
    valid: Tensor
    """(B, K) bool; false marks padding."""


class RpnHead(nn.Module):
    """One 3x3 convolution shared by all levels, then objectness and box offsets of each anchor."""

    def __init__(self, channels: int, per_cell: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, per_cell, 1)
        self.offsets = nn.Conv2d(channels, 4 * per_cell, 1)
        for layer in (self.conv, self.objectness, self.offsets):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits (B, h · w · R) and offsets (B, h · w · R, 4) of each level's feature map (B, C, h,
        w).
        """
        hidden = [F.relu_(self.conv(level)) for level in levels]
        logits = [self.objectness(features).permute(0, 2, 3, 1).flatten(1) for features in hidden]
        offsets = [
            self.offsets(features).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
            for features in hidden
        ]
        return logits, offsets

    def at(self, levels: Sequence[Tensor], indices: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, S) and offsets (B, S, 4) of the anchors at `indices` (B, S) alone.

        The same numbers as `forward`'s, but the backward pass then touches S 3x3 windows instead of
        every cell.
        """
        per_cell = self.objectness.out_channels
        rows = bordered_rows(levels)  # (B, rows, C)
        row_of_cell, pitch_of_cell = cell_rows(shapes_of(levels), rows.device)
        cells = indices // per_cell
        centre, pitch = row_of_cell[cells], pitch_of_cell[cells]
        window = torch.stack(
            [centre + dy * pitch + dx for dy, dx in NEIGHBOURS], dim=-1
        )  # (B, S, 9)
        first_row = torch.arange(len(rows), device=rows.device)[:, None, None] * rows.shape[1]
        patches = F.embedding(window + first_row, rows.flatten(0, 1)).flatten(2)  # (B, S, 9 · C)
        hidden = F.relu_(_linear(patches, self.conv))
        logits = _linear(hidden, self.objectness)  # (B, S, R)
        offsets = _linear(hidden, self.offsets).view(*indices.shape, per_cell, 4)
        anchor = (indices % per_cell)[..., None]
        return (
            logits.gather(2, anchor)[..., 0],
            offsets.gather(2, anchor[..., None].expand(-1, -1, -1, 4))[:, :, 0],
        )


def _linear(patches: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A convolution of patches (..., kernel cells · C); its weight's gradient is channels_last, as
    the weight is.
    """
    return F.linear(patches, convolution.weight.permute(0, 2, 3, 1).flatten(1), convolution.bias)


def propose(
    logits: Sequence[Tensor],
    offsets: Sequence[Tensor],
    anchors: Sequence[Tensor],
    sizes: Tensor,
    config: RpnConfig,
    *,
    training: bool,
    passes: int | None,
) -> Proposals:
    """The best boxes of each level, suppressed within the level, then the best of the image over
    all levels.

    Per level: logits (B, a), offsets (B, a, 4), anchors (a, 4). `sizes` (B, 2) limits boxes to the
    images; `training` chooses between the two sets of counts; `passes` is that of `nms_mask`.
    """
    pre_nms = config.train_pre_nms if training else config.test_pre_nms
    post_nms = config.train_post_nms if training else config.test_post_nms
    boxes, scores = [], []
    for level_logits, level_offsets, level_anchors in zip(logits, offsets, anchors, strict=True):
        best, index = level_logits.float().topk(
            min(pre_nms, level_logits.shape[1]), dim=1
        )  # (B, k)
        chosen = level_offsets.gather(1, index[..., None].expand(-1, -1, 4))
        level_boxes = clip_to_image(decode(chosen, level_anchors[index], OFFSET_WEIGHTS), sizes)
        keep = nms_mask(
            level_boxes, is_nonempty(level_boxes, config.min_side), config.nms_threshold, passes
        )
        boxes.append(level_boxes)
        scores.append(best.masked_fill(~keep, -torch.inf))
    all_scores = torch.cat(scores, dim=1)
    best, index = all_scores.topk(min(post_nms, all_scores.shape[1]), dim=1)
    valid = best > -torch.inf
    kept_boxes = torch.cat(boxes, dim=1).gather(1, index[..., None].expand(-1, -1, 4))
    return Proposals(
        torch.where(valid[..., None], kept_boxes, 0), valid
    )  # padding may hold boxes that are no numbers
