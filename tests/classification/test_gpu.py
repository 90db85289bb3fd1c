"""A classifier's training and use on a GPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_classifier import tiny_config

from tasks.classification.data.decoded import DecodedBatches, decode_all
from tasks.classification.data.read_sets import read_sets
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.evaluate_saved import evaluate_checkpoint
from tasks.classification.predict import load_classifier
from tasks.classification.train import run
from tasks.engine.doctor import diagnose
from tasks.engine.launch import launch
from tasks.engine.loading import Share

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
FORMS: dict[str, dict[str, Any]] = {
    "decoded": {"data__decoded": True},
    "files": {"data__workers": 2, "augment__mixup": 0.2, "augment__cutmix": 1.0},
    "lamb": {"data__decoded": True, "optim__name": "lamb", "optim__lr": 0.005},
}


@pytest.mark.parametrize("form", FORMS)
def test_trains_scores_and_predicts(folders: Path, tmp_path: Path, form: str) -> None:
    given = {"run__device": "cuda", "run__precision": "auto", **FORMS[form]}
    config = tiny_config(folders, tmp_path / "run", **given)
    scores = launch(config, run).scores
    sheet = evaluate_checkpoint(tmp_path / "run", ["test.views=ten"], tmp_path / "evaluation")
    assert sheet is not None
    classifier = load_classifier(tmp_path / "run", device="cuda")
    (picture,) = sorted((folders / "val" / "red").iterdir())[:1]
    assert scores["val/loss"] > 0
    assert classifier(picture).probabilities.sum() == pytest.approx(1.0, abs=1e-3)


def test_batches_of_decoded_images_do_not_synchronise(folders: Path, tmp_path: Path) -> None:
    config = tiny_config(folders, tmp_path / "run", data__decoded=True)
    images = read_sets(config.data, 0).train
    unreadable = Unreadable(images, "apply", 0.0, print)
    decoded = decode_all(images, "apply", torch.device("cuda"), unreadable)
    batches = DecodedBatches.of(decoded, config, Share(), (0, 0, 0)).start(0)
    try:
        for sync_is in ("default", "error", "error"):  # the first may set things up
            torch.cuda.set_sync_debug_mode(sync_is)
            batch = next(batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.images.is_cuda


@pytest.mark.parametrize("decoded", [True, False])
def test_doctor_times_every_stage(folders: Path, tmp_path: Path, decoded: bool) -> None:
    config = tiny_config(folders, tmp_path / "run", run__device="cuda", data__decoded=decoded)
    assert "model on cuda" in diagnose(config, run).text()
