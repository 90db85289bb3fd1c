"""Losses of every pixel against torch's, segmentation-models-pytorch's, and numbers by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.vision.semantic.losses import (
    cross_entropies,
    dice_loss,
    hard_pixels,
    lovasz_loss,
    mean_of_images,
)

IGNORED = 255


def example(images: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, 4, 5, 7), labels with ignored pixels (B, 5, 7) and without class 3."""
    generator = torch.Generator().manual_seed(images)
    logits = torch.randn(images, 4, 5, 7, generator=generator, requires_grad=True)
    truth = torch.randint(0, 3, (images, 5, 7), generator=generator)
    truth[:, :, -1] = IGNORED
    return logits, truth, truth != IGNORED


def plain(truth: Tensor, counted: Tensor) -> Tensor:
    return truth.masked_fill(~counted, 0)


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0, 3.0)])
def test_cross_entropy_is_torchs(weights: tuple[float, ...] | None) -> None:
    logits, truth, counted = example()
    own = None if weights is None else torch.tensor(weights)
    losses = cross_entropies(logits, plain(truth, counted), counted, own)
    total = own[truth[counted]].sum() if own is not None else counted.sum()
    expected = F.cross_entropy(logits, truth, weight=own, ignore_index=IGNORED)
    torch.testing.assert_close(losses.sum() / total, expected)


@pytest.mark.parametrize("kind", ["dice", "lovasz"])
def test_an_image_is_as_in_smp(kind: str) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    logits, truth, counted = example(1)
    ours, theirs = {
        "dice": (dice_loss, smp.losses.DiceLoss("multiclass", ignore_index=IGNORED)),
        "lovasz": (
            lovasz_loss,
            smp.losses.LovaszLoss("multiclass", per_image=True, ignore_index=IGNORED),
        ),
    }[kind]
    found = ours(logits, plain(truth, counted), counted)
    expected = theirs(logits, truth)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", [dice_loss, lovasz_loss])
def test_images_are_averaged_and_those_without_a_counting_pixel_left_out(loss) -> None:  # type: ignore[no-untyped-def]
    logits, truth, counted = example(3)
    counted = counted.clone()
    counted[1] = False
    labels = plain(truth, counted)
    parts = [loss(logits[[row]], labels[[row]], counted[[row]]) for row in (0, 2)]
    torch.testing.assert_close(loss(logits, labels, counted), (parts[0] + parts[1]) / 2)


def probabilities(*values: float) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (1, 2, 1, N) of pixels of class 0 with these probabilities."""
    p = torch.tensor(values)
    logits = torch.stack((p.log(), (1 - p).log()))[None, :, None]
    labels = torch.zeros(1, 1, len(values), dtype=torch.int64)
    return logits, labels, torch.ones(1, 1, len(values), dtype=torch.bool)


def test_pixels_below_the_probability_are_hard() -> None:
    logits, labels, counted = probabilities(0.9, 0.6, 0.8, 0.2)
    assert hard_pixels(logits, labels, counted, 0.7, None).tolist() == [
        [[False, True, False, True]]
    ]


def test_so_many_of_an_image_are_hard_at_least() -> None:
    logits, labels, counted = probabilities(0.9, 0.6, 0.8, 0.2)
    counted[0, 0, 3] = False  # which then is not among them
    kept = hard_pixels(logits, labels, counted, 0.1, 2)
    assert kept.tolist() == [[[False, True, True, False]]]


def test_the_mean_is_over_kept_pixels_then_over_images() -> None:
    losses = torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]])
    kept = torch.tensor([[[True, True]], [[False, True]]])
    assert float(mean_of_images(losses, kept, torch.ones_like(kept))) == (2 + 7) / 2


def test_nothing_counts_nothing_is_lost() -> None:
    logits, _, _ = example()
    counted = torch.zeros(2, 5, 7, dtype=torch.bool)
    labels = torch.zeros(2, 5, 7, dtype=torch.int64)
    hard = hard_pixels(logits, labels, counted, 0.7, 3) & counted
    own = cross_entropies(logits, labels, hard, None)
    losses = (
        own.sum(),
        mean_of_images(own, hard, counted),
        dice_loss(logits, labels, counted),
        lovasz_loss(logits, labels, counted),
    )
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), logits)
    assert [float(loss) for loss in losses] == [0.0] * 4
    assert not gradient.any()
