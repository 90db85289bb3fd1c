"""Anchor boxes on every cell of every pyramid level.

R aspect ratios; h, w cells of a level; boxes are (x1, y1, x2, y2) in pixels of the padded image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from tasks.detection.config import AnchorConfig
from tasks.engine.constants import device_constant


def cell_anchors(size: float, config: AnchorConfig, device: torch.device) -> Tensor:
    """Centre anchors (R, 4) on the origin, of area size² and height over width in
    `config.ratios`.
    """
    ratios = device_constant(config.ratios, device)
    half_height = 0.5 * size * ratios.sqrt()
    half_width = 0.5 * size / ratios.sqrt()
    anchors = torch.stack((-half_width, -half_height, half_width, half_height), dim=1)
    return anchors.round() if config.rounded else anchors


class AnchorGenerator:
    """Anchors of a padded image size, made on the device each time, as this is cheaper than keeping
    those of every size.
    """

    def __init__(self, strides: Sequence[int], config: AnchorConfig) -> None:
        if len(strides) != len(config.sizes):
            raise UserError(
                f"model.anchors.sizes must name {len(strides)} sizes, got {list(config.sizes)}"
            )
        self.strides = tuple(strides)
        self.config = config

    @property
    def per_cell(self) -> int:
        """Anchors on each cell."""
        return len(self.config.ratios)

    def __call__(
        self,
        padded_size: tuple[int, int],
        shapes: tuple[tuple[int, int], ...],
        device: torch.device,
    ) -> tuple[Tensor, ...]:
        """Place anchors (h · w · R, 4) on each level, cell by cell in rows, for images of
        `padded_size` and feature maps of `shapes` (h, w).
        """
        return tuple(
            self._level(level, padded_size, shape, device) for level, shape in enumerate(shapes)
        )

    def _level(
        self, level: int, padded_size: tuple[int, int], shape: tuple[int, int], device: torch.device
    ) -> Tensor:
        if self.config.strides == "measured":
            step_y = padded_size[0] // shape[0]
            step_x = padded_size[1] // shape[1]
        else:
            step_y = self.strides[level]
            step_x = step_y
        y = torch.arange(shape[0], dtype=torch.float32, device=device) * step_y
        x = torch.arange(shape[1], dtype=torch.float32, device=device) * step_x
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        corners = torch.stack((grid_x, grid_y, grid_x, grid_y), dim=-1)  # (h, w, 4)
        anchors = cell_anchors(self.config.sizes[level], self.config, device)
        return (corners[:, :, None] + anchors).view(-1, 4)
