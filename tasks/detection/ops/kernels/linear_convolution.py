"""Fully connected layers as 1x1 convolutions.  N rows, K features in, O out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.engine.timing import speed_up, timed_route


def linear_as_convolution(layer: nn.Linear, x: Tensor) -> Tensor:
    """Convolve N cells of K channels, in the same memory layout as the rows (NHWC), to (N, O).

    Uses four lines of cells if 4 divides N: faster than one line, as oneDNN distributes lines over
    threads.
    """
    lines = x.reshape(1, 4 if len(x) % 4 == 0 else 1, -1, x.shape[1])  # (1, 4, N / 4, K)
    cells = F.conv2d(lines.permute(0, 3, 1, 2), layer.weight[:, :, None, None], layer.bias)
    return cells.permute(0, 2, 3, 1).reshape(len(x), -1)


def convolution_speed_up() -> float:
    """Measure how many times faster a product is as a convolution; takes some ten milliseconds."""
    with torch.random.fork_rng(devices=()):  # the layer draws its weights
        layer = nn.Linear(2048, 256)
    x = torch.ones(256, 2048)
    return speed_up(lambda: layer(x), lambda: linear_as_convolution(layer, x))


ROUTE = timed_route("linear as convolution", convolution_speed_up)
