"""How much faster one way of computing is than an equal one, timed on the machine that will
do it.
"""

import time
from collections.abc import Callable

import torch

WORTH_IT = 1.1
"""Speed-up from which the special way is taken; below it lies within the noise of a short
timing."""

ROUNDS = 40

Seconds = Callable[[Callable[[], object]], float]


def seconds(call: Callable[[], object]) -> float:
    """Seconds that one call takes, without gradients."""
    with torch.no_grad():
        started = time.perf_counter()
        call()
        return time.perf_counter() - started


def speed_up(
    plain: Callable[[], object], special: Callable[[], object], timer: Seconds = seconds
) -> float:
    """How many times faster `special` is than `plain`: best of many in turn, after one call of each
    to warm up.

    Another process can disturb any few calls in a row, and a disturbed call is never the best.
    """
    timer(plain), timer(special)
    rounds = [(timer(plain), timer(special)) for _ in range(ROUNDS)]
    return min(first for first, _ in rounds) / min(second for _, second in rounds)
