"""Shares of right images: confidence intervals, and tests of two shares of the same images."""

import math
from statistics import NormalDist

Z_95 = NormalDist().inv_cdf(0.975)


def wilson_interval(right: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent images, nan without any (Wilson 1927)."""
    if not images:
        return math.nan, math.nan
    share = right / images
    spread = Z_95 * math.sqrt(share * (1 - share) / images + Z_95**2 / (4 * images**2))
    scale = 1 + Z_95**2 / images
    center = share + Z_95**2 / (2 * images)
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def mcnemar_p_value(gained: int, lost: int) -> float:
    """The exact two-sided p-value of McNemar's test for images that changed either way.

    It is the chance of a split at least as uneven where each way is equally likely, 1 without any
    change. Integers of any size keep it exact.
    """
    changed = gained + lost
    term = 1  # changed over i
    ways = 0
    for i in range(min(gained, lost) + 1):
        ways += term
        term = term * (changed - i) // (i + 1)
    return min(1.0, 2 * ways / (1 << changed))
