"""The least time of a call on this machine: its convolutions and matrix products at the best
measured rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

CALLS = 20
BATCH, CHANNELS, CELLS = (
    4,
    256,
    56,
)  # a 3x3 convolution that fits the caches and keeps every core at its arithmetic


def least_seconds(call: Callable[[], object], dtype: torch.dtype) -> float:
    """Seconds of the call on the CPU if all its arithmetic ran at `convolution_rate` and nothing
    else took time.
    """
    with FlopCounterMode(display=False) as counter:
        call()
    count: int = counter.get_total_flops()
    return count / convolution_rate(dtype)


@cache
def convolution_rate(dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of some large convolutions on the CPU; a multiply-add counts as two."""
    images = torch.ones(BATCH, CHANNELS, CELLS, CELLS, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    weight = torch.ones(CHANNELS, CHANNELS, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    with torch.no_grad():
        for _ in range(CALLS):
            started = time.perf_counter()
            F.conv2d(images, weight, padding=1)
            seconds.append(time.perf_counter() - started)
    return 2 * BATCH * CHANNELS**2 * 9 * CELLS**2 / min(seconds)
