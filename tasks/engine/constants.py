"""Fixed numbers on a device."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def device_constant(
    values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Send fixed numbers to a device as a tensor, once per process and without waiting.

    All callers share the tensor, so none may write to it.
    """
    tensor = torch.tensor(values, dtype=dtype)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
