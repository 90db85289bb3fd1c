"""Box head: RoIAlign over the pyramid, two fully connected layers, class and box predictors.

B images, K boxes an image, N = B · K, C channels, F foreground classes; boxes are (x1, y1, x2, y2)
in pixels of the resized image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.detection.config import RoiConfig
from tasks.detection.ops.linear import LinearPath, fully_connected

OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class BoxHead(nn.Module):
    """Two fully connected layers, then F + 1 class logits (background last) and 4 offsets for each
    of F classes.
    """

    def __init__(
        self, channels: int, num_classes: int, config: RoiConfig, linear: LinearPath = "plain"
    ) -> None:
        super().__init__()
        self.channels = channels
        self.num_classes = num_classes
        self.linear = linear
        self.cells_first = False
        self.fc6 = nn.Linear(channels * config.resolution**2, config.hidden)
        self.fc7 = nn.Linear(config.hidden, config.hidden)
        self.classes = nn.Linear(config.hidden, num_classes + 1)
        self.offsets = nn.Linear(config.hidden, 4 * num_classes)
        if config.init == "detectron2":
            self._init_as_detectron2()

    def _init_as_detectron2(self) -> None:
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.offsets.weight, std=0.001)
        for layer in (self.fc6, self.fc7, self.classes, self.offsets):
            nn.init.zeros_(layer.bias)

    def expect_cells_first(self) -> None:
        """Give fc6 the column order of channels_last windows, which it then reads where they lie;
        for inference.
        """
        if self.cells_first:
            return
        weight = self.fc6.weight.detach()
        columns = weight.view(len(weight), self.channels, -1).transpose(1, 2).flatten(1)
        self.fc6.weight = nn.Parameter(columns, requires_grad=False)
        self.cells_first = True

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, F + 1) and offsets (N, F, 4), both fp32, of pooled windows (N, C, r, r)."""
        windows = windows.permute(0, 2, 3, 1) if self.cells_first else windows
        hidden = F.relu_(fully_connected(self.fc6, windows.flatten(1), self.linear))
        hidden = F.relu_(fully_connected(self.fc7, hidden, self.linear))
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            return self.classes(hidden), self.offsets(hidden).unflatten(1, (-1, 4))
