from __future__ import annotations

import pytest
import torch

from resnet_backbones.features import FeatureLevel
from tasks.detection.config import RoiConfig
from tasks.detection.model.box_head import BoxHead, roi_losses
from tasks.detection.model.proposals import Proposals
from tasks.detection.model.roi_sampling import RoiSamples

LEVELS = (FeatureLevel("p4", 8, 16),)


def make_samples() -> RoiSamples:
    """A positive of class 1, a background, and an empty slot."""
    boxes = torch.tensor([[[0.0, 0, 10, 10], [5, 5, 15, 15], [0, 0, 0, 0]]])
    return RoiSamples(
        boxes=boxes,
        objects=torch.zeros(1, 3, dtype=torch.int64),
        object_boxes=boxes,
        labels=torch.tensor([[1, 2, 2]]),
        positive=torch.tensor([[True, False, False]]),
        valid=torch.tensor([[True, True, False]]),
    )


def test_losses_by_hand() -> None:
    """Logits of zero cost log 3 each; only the positive's own class has its offsets compared."""
    offsets = torch.zeros(1, 3, 2, 4)
    offsets[0, 0, 1] = torch.tensor([1.0, 0, 0, -2])
    offsets[0, 0, 0] = 100
    targets = torch.tensor([[[0.0] * 4, [torch.inf] * 4, [torch.nan] * 4]])
    logits = torch.zeros(1, 3, 3)
    fixed = roi_losses(logits, offsets, targets, make_samples(), RoiConfig(samples=4))
    assert fixed["roi/class"].item() == pytest.approx(2 * 1.098612 / 4)
    assert fixed["roi/box"].item() == pytest.approx(3 / 4)
    config = RoiConfig(samples=4, normalizer="sampled")
    sampled = roi_losses(logits, offsets, targets, make_samples(), config)
    assert sampled["roi/box"].item() == pytest.approx(3 / 2)
    any_class = roi_losses(logits, offsets[:, :, 1:], targets, make_samples(), config)
    assert any_class["roi/box"].item() == pytest.approx(3 / 2)


def test_a_head_stands_on_any_one_level() -> None:
    """As in a detector without a pyramid."""
    torch.manual_seed(0)
    config = RoiConfig(hidden=16, samples=4, score_threshold=0.0)
    head = BoxHead(LEVELS, num_classes=2, roi=config)
    features = {"p4": torch.randn(1, 8, 6, 8), "p5": torch.zeros(1, 3, 1, 1)}
    losses = head.losses(features, make_samples())
    assert losses.keys() == {"roi/class", "roi/box"}
    proposals = Proposals(make_samples().boxes, make_samples().valid)
    with torch.no_grad():
        found = head.detect(features, proposals, torch.tensor([[96, 128]]))
    assert int(found.valid.sum()) == 4  # two proposals of two classes


def test_the_offsets_of_another_stage_have_other_weights() -> None:
    """Half the weights, and the same offsets move a box twice as far."""
    config = RoiConfig(hidden=16, samples=4, score_threshold=0.0)
    proposals = Proposals(torch.tensor([[[40.0, 40, 60, 60]]]), torch.ones(1, 1).bool())
    features = {"p4": torch.randn(1, 8, 6, 8)}
    shifts = []
    for weights in ((10.0, 10.0, 5.0, 5.0), (5.0, 5.0, 2.5, 2.5)):
        head = BoxHead(LEVELS, num_classes=1, roi=config, offset_weights=weights)
        torch.nn.init.zeros_(head.offsets.weight)
        head.offsets.bias.data = torch.tensor([1.0, 0, 0, 0])
        with torch.no_grad():
            found = head.detect(features, proposals, torch.tensor([[96, 128]]))
        shifts.append(float(found.boxes[0, 0, 0]) - 40)
    assert shifts == pytest.approx([2.0, 4.0], abs=1e-4)
