"""Choose a few of many, spread evenly."""

import numpy as np


def spread_evenly(total: int, most: int) -> list[int]:
    """Return at most this many indices, spread evenly from the first to the last of `total`."""
    places = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    distinct: list[int] = np.unique(places).tolist()
    return distinct
