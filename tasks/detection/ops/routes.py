"""Which of an operation's equal routes is taken."""

from __future__ import annotations

from torch import Tensor


def takes_gpu_route(tensor: Tensor) -> bool:
    """Tell whether operations on a tensor take the routes made for a GPU.

    Those never make the host wait for the device where a training step runs. A test replaces this
    function to run them on a CPU, so it is called as `routes.takes_gpu_route`.
    """
    return tensor.device.type == "cuda"
