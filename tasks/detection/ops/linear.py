"""Fully connected layers.  N rows, K features in, O out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.detection.ops import routes
from tasks.detection.ops.kernels import linear_convolution


def fully_connected(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer to rows: (N, K) -> (N, O).

    In fp32 on a CPU it is computed as a convolution if that was measured to be faster. On some CPUs
    fp32 matrix products are slow and convolutions are not, as MKL has no AVX-512 path for AMD.
    """
    on_cpu = x.device.type == "cpu" and not routes.takes_gpu_route(x)
    fp32 = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if on_cpu and fp32 and linear_convolution.ROUTE.is_worth_it():
        return linear_convolution.linear_as_convolution(layer, x)
    return layer(x)  # type: ignore[no-any-return]
