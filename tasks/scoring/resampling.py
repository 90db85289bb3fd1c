"""Intervals of scores by bootstrap samples of the images. N images, S samples, K classes.

Every sample draws N images with replacement. The draws follow from N alone, so two evaluations of
the same images are resampled alike, and their differences are paired.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SAMPLES = 500
Interval = tuple[float, float]
"""The ends of a 95 % interval, nan where nothing defines it."""


def resample(counts: NDArray[np.int32], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Sum the counts (N, …) of the images of each sample, (S, …), exactly."""
    images = len(counts)
    numbers = math.prod(counts.shape[1:])
    flat = counts.reshape(images, numbers).astype(np.float64)  # exact below 2**53
    sums = np.zeros((samples, numbers))
    for sample, drawn in enumerate(_draws(images, samples)):
        sums[sample] = drawn @ flat
    return sums.reshape(samples, *counts.shape[1:])


def draw_images(images: int, samples: int = SAMPLES) -> NDArray[np.int16]:
    """Number of times that each sample holds each of N images, (S, N): the draws of `resample`."""
    drawn = np.zeros((samples if images else 0, images), np.int16)
    for sample, counts in enumerate(_draws(images, samples)):
        drawn[sample] = counts
    return drawn


def _draws(images: int, samples: int) -> Iterator[NDArray[np.int64]]:
    """The numbers (N,) of each sample in turn; none without images."""
    random = np.random.default_rng(0)
    for _ in range(samples if images else 0):
        yield np.bincount(random.integers(0, images, images), minlength=images)


def interval_of(values: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the samples' values (S,), without nan."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return math.nan, math.nan
    low, high = np.quantile(defined, (0.025, 0.975)).tolist()
    return low, high
