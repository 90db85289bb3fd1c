"""A few of many, spread evenly."""

import numpy as np


def spread_evenly(total: int, most: int) -> list[int]:
    """Places from the first to the last of `total`, at most so many."""
    places = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    distinct: list[int] = np.unique(places).tolist()
    return distinct
