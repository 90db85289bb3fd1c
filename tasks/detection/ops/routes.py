"""Choose among an operation's equal routes."""

from __future__ import annotations

from torch import Tensor


def takes_gpu_route(tensor: Tensor) -> bool:
    """Whether operations on a tensor take the routes made for a GPU.

    In a training step those never make the host wait for the device. A test replaces this function
    to run them on a CPU, so it is called as `routes.takes_gpu_route`.
    """
    return tensor.device.type == "cuda"
