"""Losses, mixing and preparation, against timm's and torch's own and numbers done by hand."""

import pytest
import torch
from timm.data.mixup import mixup_target
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from torch import Tensor

from resnet_backbones.weights.passport import Passport, PixelNormalizer
from tasks.classification.config import AugmentConfig, LossConfig
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.losses import class_loss, mixed_targets, own_shares, prepared

B, K = 5, 7  # odd batches mix too


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(B, K, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([3, 0, 6, 6, 2])


def batch_of(images: Tensor, **fields: Tensor) -> ClassificationBatch:
    count = len(images)
    values = {
        "images": images,
        "labels": torch.zeros(count, dtype=torch.int64),
        "image_ids": torch.arange(count) + 1,
        "missing": torch.zeros(count, dtype=torch.int64),
        "tint": torch.zeros(count, 3),
        "erased": torch.zeros(count, 4, dtype=torch.int64),
        "blend": torch.ones(count),
        "pasted": torch.zeros(count, 4, dtype=torch.int64),
    }
    return ClassificationBatch(**{**values, **fields})


def test_label_smoothing_is_timms(logits: Tensor, labels: Tensor) -> None:
    ours = class_loss(logits, labels, None, LossConfig(smoothing=0.1))
    torch.testing.assert_close(ours, LabelSmoothingCrossEntropy(0.1)(logits, labels))


def test_binary_cross_entropy_is_timms(logits: Tensor, labels: Tensor) -> None:
    ours = class_loss(logits, labels, None, LossConfig(name="bce", smoothing=0.1))
    torch.testing.assert_close(ours, BinaryCrossEntropy(smoothing=0.1)(logits, labels))


def test_mixed_cross_entropy_is_that_of_soft_targets(logits: Tensor, labels: Tensor) -> None:
    own = torch.full((B,), 0.7)
    targets = mixed_targets(labels, own, K, 0.1)
    ours = class_loss(logits, labels, own, LossConfig(smoothing=0.1))
    torch.testing.assert_close(ours, SoftTargetCrossEntropy()(logits, targets))


def test_mixed_targets_are_timms_but_for_the_partner(labels: Tensor) -> None:
    even = labels[:4]  # timm's partner is the mirrored one, so its batches must be even
    ours = mixed_targets(torch.stack([even[0], even[1]]), torch.tensor([0.7, 0.7]), K, 0.1)
    torch.testing.assert_close(ours, mixup_target(even[:2], K, 0.7, 0.1))


def test_partner_is_the_image_before_as_in_torchvision(labels: Tensor) -> None:
    targets = mixed_targets(labels, torch.full((B,), 0.75), K, 0.0)
    assert targets[0].tolist() == [0, 0, 0.25, 0.75, 0, 0, 0]  # the last one's 2 and its own 3
    assert targets[3].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_threshold_makes_whole_targets(logits: Tensor, labels: Tensor) -> None:
    own = torch.full((B,), 0.7)
    ours = class_loss(logits, labels, own, LossConfig(name="bce", threshold=0.2))
    mixed = mixed_targets(labels, own, K, 0.0)
    torch.testing.assert_close(ours, BinaryCrossEntropy(target_threshold=0.2)(logits, mixed))


def test_mixup_on_an_odd_batch() -> None:
    images = torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 3, 2, 2) * 51
    batch = batch_of(images, blend=torch.full((3,), 0.75))
    plain = PixelNormalizer(Passport(architecture="x", mean=(0.0,) * 3, std=(1.0,) * 3))
    mixed = prepared(batch, plain, AugmentConfig(mixup=1.0))
    torch.testing.assert_close(mixed[:, 0, 0, 0], torch.tensor([0.1, 0.15, 0.35]))


def test_cutmix_pastes_the_partner_and_counts_its_area() -> None:
    images = torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 3, 4, 4) * 51
    pasted = torch.tensor([[0, 1, 2, 3]]).repeat(3, 1)  # 4 of 16 pixels
    batch = batch_of(images, pasted=pasted)
    plain = PixelNormalizer(Passport(architecture="x", mean=(0.0,) * 3, std=(1.0,) * 3))
    mixed = prepared(batch, plain, AugmentConfig(cutmix=1.0))[1, 0]
    assert mixed[1:3, 0:2].max() == 0  # the image before it is black
    assert mixed[0].min() == mixed[3].min() == mixed[:, 2:].min() == pytest.approx(0.2)
    assert own_shares(batch).tolist() == [0.75] * 3


def test_erased_pixels_are_zero_after_normalisation() -> None:
    images = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    batch = batch_of(images, erased=torch.tensor([[1, 0, 3, 2]]))
    image = prepared(batch, PixelNormalizer(Passport(architecture="x")), AugmentConfig(erase=1.0))
    assert (image[0] == 0).all(dim=0).nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_tint_is_added_to_pixels_before_normalisation() -> None:
    images = torch.full((1, 3, 1, 1), 51, dtype=torch.uint8)  # 0.2
    tint = torch.tensor([[0.1, -0.1, 0.0]])
    passport = Passport(architecture="x", mean=(0.1, 0.1, 0.1), std=(0.5, 0.5, 0.5))
    image = prepared(
        batch_of(images, tint=tint), PixelNormalizer(passport), AugmentConfig(lighting=0.1)
    )
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([0.4, 0.0, 0.2]))


def test_tint_follows_the_order_of_channels() -> None:
    images = torch.zeros((1, 3, 1, 1), dtype=torch.uint8)
    passport = Passport(
        architecture="x", mean=(0.0,) * 3, std=(1.0,) * 3, channel_order="bgr", value_range=255.0
    )
    tint = torch.tensor([[0.1, 0.2, 0.3]])  # red, green, blue
    image = prepared(
        batch_of(images, tint=tint), PixelNormalizer(passport), AugmentConfig(lighting=0.1)
    )
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([76.5, 51.0, 25.5]))
