"""Settings of images: 0 is no way to say null."""

from typing import Any

import pytest

from resnet_backbones.errors import UserError
from tasks.vision.settings import ImageDataConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"val_short_edge": 0}, r"data\.val_short_edge must be >= 1 or null, got 0"),
        ({"val_short_edge": -1}, r"data\.val_short_edge must be >= 1 or null, got -1"),
        ({"val_short_edge": 2000}, r"data\.long_edge must be at least"),
        ({"scale_jitter_side": 0}, r"data\.scale_jitter_side must be null or .*, got 0"),
        ({"scale_jitter_side": 16}, r"data\.scale_jitter_side must be null or .*, got 16"),
        ({"scale_jitter_side": 1400}, r"data\.scale_jitter_side must be null or .*, got 1400"),
        ({"scale_jitter": (0.0, 1.0)}, r"data\.scale_jitter must be null or two factors"),
    ],
)
def test_sizes_that_no_image_has_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageDataConfig(**values)


def test_null_is_the_largest_of_the_short_edges() -> None:
    assert ImageDataConfig().test_short_edge == 800
    assert ImageDataConfig(val_short_edge=1).test_short_edge == 1
