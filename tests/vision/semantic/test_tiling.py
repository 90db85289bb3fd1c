"""Large images in windows: every pixel once, blended, in bounded memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from tasks.vision.semantic.tiling import (
    Predict,
    sliding_labels,
    sliding_strips,
    window_shares,
    window_starts,
)


def image_of(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def pointwise(windows: Tensor, sizes: Tensor) -> Tensor:
    """Logits that depend on their own pixel alone."""
    return torch.stack((windows[:, 0].float(), windows[:, 1].float(), windows[:, 2].float()), 1)


def sliding_logits(predict: Predict, image: Tensor, window: int, overlap: float = 0.25) -> Tensor:
    strips = sliding_strips(predict, image, window, overlap, batch_size=2)
    return torch.cat([strip.logits for strip in strips], dim=1)


@pytest.mark.parametrize("window", [128, 160])
def test_an_image_no_larger_than_the_window_is_given_whole(window: int) -> None:
    given: list[tuple[Tensor, Tensor]] = []

    def predict(windows: Tensor, sizes: Tensor) -> Tensor:
        given.append((windows, sizes))
        return pointwise(windows, sizes)

    image = image_of(60, 128)
    logits = sliding_logits(predict, image, window)
    ((windows, sizes),) = given
    assert torch.equal(windows, image[None])
    assert sizes.tolist() == [[60, 128]]
    assert torch.equal(logits, pointwise(windows, sizes)[0])


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7, 0.9])
@pytest.mark.parametrize(("height", "width"), [(150, 230), (40, 200), (200, 64)])
def test_windows_of_one_size_cover_every_pixel_once(
    height: int, width: int, overlap: float
) -> None:
    shapes: set[tuple[int, ...]] = set()

    def predict(windows: Tensor, sizes: Tensor) -> Tensor:
        shapes.add(tuple(windows.shape[1:]))
        return pointwise(windows, sizes)

    image = image_of(height, width)
    logits = sliding_logits(predict, image, 64, overlap)
    torch.testing.assert_close(logits, image.float(), rtol=1e-5, atol=1e-4)
    assert shapes == {(3, 64, 64)}
    labels = sliding_labels(predict, image, 64, overlap)
    assert labels.dtype == torch.uint8
    assert (labels == image.float().argmax(0)).float().mean() > 0.99  # but for ties


def test_windows_over_the_padding_say_what_of_them_is_the_image() -> None:
    seen: list[list[int]] = []

    def predict(windows: Tensor, sizes: Tensor) -> Tensor:
        seen.extend(sizes.tolist())
        assert windows[:, :, 40:].eq(0).all()
        return pointwise(windows, sizes)

    sliding_labels(predict, image_of(40, 100), 64)
    assert seen == [[40, 64], [40, 64], [40, 36]]


def test_starts_by_hand() -> None:
    assert window_starts(512, 128, 0.25) == [0, 96, 192, 288, 384]
    assert window_starts(480, 256, 0.25) == [0, 96, 224]  # evenly: not 0, 192, 224
    assert window_starts(128, 128, 0.25) == [0]
    assert window_starts(96, 64, 0.9) == [0, 5, 10, 16, 21, 26, 32]  # no room for multiples of 32


def test_shares_sum_to_one_and_are_small_at_a_border_that_another_window_covers() -> None:
    starts = [0, 96, 160]
    shares = window_shares(starts, 128, 288)
    total = torch.zeros(288)
    for start, share in zip(starts, shares, strict=True):
        total[start : start + 128] += share
    torch.testing.assert_close(total, torch.ones(288))
    assert shares[0, :96].eq(1).all()  # no other window is there
    assert shares[0, 120:].max() < 0.1
    assert shares[1, :8].max() < 0.1


def test_a_strip_comes_before_the_windows_below_it_are_run() -> None:
    calls = 0

    def predict(windows: Tensor, sizes: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return pointwise(windows, sizes)

    strips = sliding_strips(predict, image_of(640, 96), 64, 0.25)
    first = next(strips)
    assert calls == 2  # one row of windows
    rest = list(strips)
    assert (first.top, first.logits.shape) == (0, (3, 32, 96))
    assert max(strip.logits.shape[1] for strip in rest) <= 64
    assert sum(strip.logits.shape[1] for strip in (first, *rest)) == 640


def test_an_error_near_the_windows_borders_hardly_shows() -> None:
    """A network that is wrong within 8 px of a window's border, as zero padding makes it."""

    def wrong_at_borders(windows: Tensor, sizes: Tensor) -> Tensor:
        logits = torch.zeros(len(windows), 1, *windows.shape[2:])
        logits[:, :, 8:-8, 8:-8] = 1
        return logits

    logits = sliding_logits(wrong_at_borders, image_of(448, 448), 224)[:, 8:-8, 8:-8]
    assert logits.min() > 0.9


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [
        (16, 0.25, "a multiple of 32 pixels, got 16"),
        (100, 0.25, "a multiple of 32 pixels, got 100"),
        (64, 1.0, r"in \[0, 1\), got 1.0"),
        (64, -0.1, r"in \[0, 1\), got -0.1"),
    ],
)
def test_windows_that_cover_nothing_are_refused(window: int, overlap: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sliding_strips(pointwise, image_of(100, 100), window, overlap)
