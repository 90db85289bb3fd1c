"""The objective's parts over micro-batches."""

from pathlib import Path

import pytest
import torch
from tiny_segmenter import tiny_config

from tasks.engine.batches import Feed
from tasks.engine.distributed import World
from tasks.engine.launch import Start
from tasks.engine.loading import Share
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.segmentation.losses import SegmentationObjective

WORLD = World(0, 0, 1, torch.device("cpu"))
CHANGES = {
    "loss__dice": 0.5,
    "loss__lovasz": 0.5,
    "loss__class_weights": "[0.5,1,2]",
    "data__crop": 32,
}


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
