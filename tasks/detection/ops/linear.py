"""Fully connected layers in whichever way is faster on a CPU.  N rows, K features in, O out."""

from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.engine.timing import WORTH_IT, speed_up

LinearPath = Literal["plain", "convolution", "measured"]


def fully_connected(layer: nn.Linear, x: Tensor, path: LinearPath) -> Tensor:
    """`layer(x)`, (N, K) -> (N, O); `measured` takes a convolution in fp32 on a CPU that is faster
    so.

    Some CPUs' fp32 matrix products are slow where their convolutions are not: MKL has no AVX-512
    path for AMD's.
    """
    if path == "measured":
        fp32 = (
            x.device.type == "cpu"
            and x.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
        )
        path = "convolution" if fp32 and convolution_speed_up() >= WORTH_IT else "plain"
    return _as_convolution(layer, x) if path == "convolution" else layer(x)


@cache
def convolution_speed_up() -> float:
    """How many times faster a product is as a convolution; some ten milliseconds, once a
    process.
    """
    layer, x = nn.Linear(2048, 256), torch.ones(256, 2048)
    return speed_up(lambda: layer(x), lambda: _as_convolution(layer, x))


def _as_convolution(layer: nn.Linear, x: Tensor) -> Tensor:
    """A 1x1 convolution over N cells of K channels, which lie in memory just as the rows do (NHWC).

    Four lines of cells where N divides so: faster than one line, as oneDNN shares lines out among
    threads.
    """
    lines = x.reshape(1, 4 if len(x) % 4 == 0 else 1, -1, x.shape[1])  # (1, 4, N / 4, K)
    cells = F.conv2d(lines.permute(0, 3, 1, 2), layer.weight[:, :, None, None], layer.bias)
    return cells.permute(0, 2, 3, 1).reshape(len(x), -1)
