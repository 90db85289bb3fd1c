"""A segmenter's training and use on a GPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_segmenter import tiny_config

from tasks.engine.launch import launch
from tasks.engine.start import Start
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.segmentation.evaluate_saved import evaluate_checkpoint
from tasks.segmentation.predict import load_segmenter
from tasks.segmentation.train import run
from tasks.vision.semantic.objective import SegmentationObjective

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
FORMS: dict[str, dict[str, Any]] = {
    "fpn": {"loss__dice": 1.0, "loss__lovasz": 1.0, "data__workers": 2},
    "hard": {"loss__hard_below": 0.7, "loss__hard_least": 100, "data__crop": 32},
    "deeplabv3plus": {"model__head__kind": "deeplabv3plus", "model__head__auxiliary": 0.4},
}


@pytest.mark.parametrize("form", FORMS)
def test_trains_scores_and_predicts(masks: Path, tmp_path: Path, form: str) -> None:
    given = {"run__device": "cuda", "run__precision": "auto", **FORMS[form]}
    scores = launch(tiny_config(masks, tmp_path / "run", **given), run).scores
    views = ["test.flip=true", "test.scales=[0.75,1.0]"]
    sheet = evaluate_checkpoint(tmp_path / "run", views, tmp_path / "evaluation")
    assert sheet is not None
    segmenter = load_segmenter(tmp_path / "run", device="cuda", overrides=["test.window=32"])
    assert scores["val/loss"] > 0
    assert segmenter(masks / "val" / "images" / "000.png").labels.shape == (48, 64)


@pytest.mark.parametrize("form", FORMS)
def test_losses_do_not_synchronise(masks: Path, form: str) -> None:
    config = tiny_config(masks, **{**FORMS[form], "data__workers": 0})
    dataset = read_split(config.data, "train")
    model, _ = make_segmenter(config.model, dataset.label_map, Start(None))
    objective = SegmentationObjective(model, config.loss, config.model.head.auxiliary).cuda()
    batch = next(TrainBatches(dataset, config).start(0)).to(torch.device("cuda"))
    try:
        for mode in ("default", "error"):  # the first step may set things up
            torch.cuda.set_sync_debug_mode(mode)
            torch.stack(list(objective(batch).values())).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
