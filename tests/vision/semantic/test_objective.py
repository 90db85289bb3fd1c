"""The objective's parts, of a batch and over micro-batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_segmenter import tiny_config

from tasks.engine.batches import Feed
from tasks.engine.distributed import World
from tasks.engine.loading import Share
from tasks.engine.start import Start
from tasks.labels import IGNORED
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.vision.semantic.batch import SegmentationBatch, stack
from tasks.vision.semantic.objective import SegmentationObjective
from tasks.vision.semantic.prepare import Prepared

WORLD = World(0, 0, 1, torch.device("cpu"))
CHANGES = {
    "loss__dice": 0.5,
    "loss__lovasz": 0.5,
    "loss__class_weights": "[0.5,1,2]",
    "data__crop": 32,
}


def parts(masks: Path, **changes: object) -> tuple[SegmentationObjective, SegmentationBatch]:
    """An objective and the first batch."""
    config = tiny_config(masks, **changes)
    dataset = read_split(config.data, "train")
    model, _ = make_segmenter(config.model, dataset.label_map, Start(None))
    objective = SegmentationObjective(model, config.loss, config.model.head.auxiliary)
    return objective, next(TrainBatches(dataset, config).start(0))


def test_losses_of_pixels_are_torchs_at_the_size_of_the_labels(masks: Path) -> None:
    weights = (0.5, 1.0, 2.0)
    given = {"model__head__auxiliary": 0.4, "loss__cross_entropy": 3}
    objective, batch = parts(masks, loss__class_weights=list(weights), **given)
    losses = objective(batch)
    model = objective.model
    features = model.features(batch.images, batch.sizes)
    found = {"pixel": model.logits(features), "auxiliary": model.auxiliary_logits(features)}
    assert losses.keys() == found.keys()
    factors = {"pixel": 3, "auxiliary": 0.4}
    for name, logits in found.items():
        whole = F.interpolate(logits, size=(64, 64), mode="bilinear", align_corners=False)
        labels = batch.labels.long()
        own = F.cross_entropy(whole, labels, torch.tensor(weights), ignore_index=IGNORED)
        torch.testing.assert_close(losses[name], factors[name] * own)


def test_easy_pixels_are_left_out_of_the_sum_alone(masks: Path) -> None:
    objective, batch = parts(masks, loss__hard_below=0.4)
    logits = objective.model(batch.images, batch.sizes)
    whole = F.interpolate(logits, size=(64, 64), mode="bilinear", align_corners=False)
    each = F.cross_entropy(whole, batch.labels.long(), ignore_index=IGNORED, reduction="none")
    hard = each[each > -torch.tensor(0.4).log()]
    valid = (batch.labels != IGNORED).sum()
    assert 0 < len(hard) < valid
    torch.testing.assert_close(objective(batch)["pixel"], hard.sum() / valid)


@pytest.mark.parametrize("hard", [{}, {"loss__hard_below": 0.7, "loss__hard_least": 9}])
def test_a_batch_of_ignored_pixels_moves_nothing(masks: Path, hard: dict[str, object]) -> None:
    given = {"loss__dice": 1, "loss__lovasz": 1, "model__head__auxiliary": 0.4}
    objective, batch = parts(masks, **given, **hard)
    ignored = [Prepared(image, np.full((48, 64), IGNORED, np.uint8)) for image in batch.images]
    losses = objective(stack(ignored, (64, 64), [1, 2, 3, 4], None))
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    torch.stack(list(losses.values())).sum().backward()
    gradients = [part.grad for part in objective.parameters() if part.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("hard", [False, True])
def test_micro_batches_give_the_gradient_of_the_whole(masks: Path, hard: bool) -> None:
    """Means over pixels and means over images, of crops with different numbers of pixels."""
    chosen = {"loss__hard_below": 0.9, "loss__hard_least": 50} if hard else {}
    config = tiny_config(masks, **CHANGES, **chosen)
    dataset = read_split(config.data, "train")
    model, _ = make_segmenter(config.model, dataset.label_map, Start(None))
    objective = SegmentationObjective(model, config.loss)
    gradients = []
    for accumulate in (1, 4):
        batches = TrainBatches(dataset, config, Share(accumulate=accumulate))
        step = Feed(batches.start(0), WORLD).take(accumulate)
        model.zero_grad()
        for batch, share in zip(step.batches, step.shares, strict=True):
            parts = [loss * share.of(name) for name, loss in objective(batch).items()]
            torch.stack(parts).sum().backward()
        gradients.append(model.head.predictor.weight.grad.clone())  # type: ignore[union-attr]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)
