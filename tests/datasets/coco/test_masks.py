"""Run lengths cover their image, and outlines are no longer than can be painted."""

import time
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as masks

from tasks.datasets.coco.masks import check_mask, compressed, mask_area
from tasks.datasets.coco.objects import decode_mask
from tasks.errors import DataError

SHORT: tuple[Any, ...] = ([10], [], "", "1", b"1", [10, 5], [1200, 1], "zz", [600.5, 599.5])


def random_mask(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    share = random.choice([0.01, 0.5, 0.99])
    return random.random(random.integers(1, 60, 2)) < share


@pytest.mark.parametrize("counts", SHORT)
def test_run_lengths_that_do_not_cover_the_image_are_refused(counts: Any) -> None:
    """fault_campaign 6: memory that nobody had written was read as the mask."""
    segmentation = {"size": [30, 40], "counts": counts}
    with pytest.raises(DataError, match="sum up to the image's height times width"):
        check_mask({"segmentation": segmentation}, 30, 40, "it")
    with pytest.raises(DataError, match="sum up to the image's height times width"):
        decode_mask(segmentation, 30, 40, "it")


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_of_pycocotools_are_read_to_the_pixel(seed: int) -> None:
    mask = random_mask(seed)
    decoded = decode_mask(compressed(mask), *mask.shape, "it")
    assert decoded is not None
    assert np.array_equal(decoded, mask)


def test_a_mask_of_one_long_run_is_read() -> None:
    encoded = masks.encode(np.asfortranarray(np.ones((4000, 5000), dtype=np.uint8)))
    assert mask_area(encoded, 4000, 5000, "it") == 20_000_000


def test_an_outline_that_would_take_minutes_is_refused_at_once() -> None:
    outline = [value for corner in range(2000) for value in (1e6 * (corner % 2), corner)]
    started = time.monotonic()
    with pytest.raises(DataError, match=r"at most 1e\+06 pixels long, got 2e\+09"):
        check_mask({"segmentation": [outline]}, 30, 40, "it")
    assert time.monotonic() - started < 1
