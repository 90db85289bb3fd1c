"""What a detector starts with: here, what the training of a classifier left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from classifier_checkpoint import MEAN, STD, TINY_NETWORK, save_classifier, tiny_classifier
from tiny_detector import TINY

from resnet_backbones.errors import UserError
from tasks.detection.build import build_detector
from tasks.engine.checkpoint import is_checkpoint, read_checkpoint
from tasks.engine.start import Start
from tasks.labels import LabelMap

CLASSES = LabelMap((5,), ("horse",))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that trained a classifier."""
    return save_classifier(tmp_path_factory.mktemp("run"), tiny_classifier())


def start_from(weights: Path) -> Start:
    """As a run that is told model.weights starts."""
    return Start(read_checkpoint(weights) if is_checkpoint(weights) else None)


@pytest.mark.parametrize("part", ["", "best.pt", "weights.safetensors"])
def test_a_classifiers_run_gives_the_backbone_and_its_preprocessing(run: Path, part: str) -> None:
    config = replace(TINY, backbone=TINY_NETWORK, norm="auto", weights=str(run / part))
    model, report = build_detector(config, CLASSES, start_from(run / part))
    trained = tiny_classifier().state_dict()
    state = model.backbone.state_dict()
    assert all(torch.equal(x, trained[name]) for name, x in state.items())
    torch.testing.assert_close(
        model.normalizer.shift.flatten(),
        torch.tensor([-0.2, -0.8, -1.5]),  # -MEAN / STD
    )
    torch.testing.assert_close(model.normalizer.scale.flatten(), 1 / torch.tensor(STD))
    assert model.backbone.passport.mean == MEAN
    read = "weights.safetensors" if part == "weights.safetensors" else "best.pt"
    assert report.startswith(f"weights {run / read}: ")
    assert "tensors matched" in report


def test_a_resumed_run_of_another_task_is_refused(run: Path) -> None:
    config = replace(TINY, backbone=TINY_NETWORK)
    with pytest.raises(UserError, match="must be a checkpoint of detection, got one of classif"):
        build_detector(config, CLASSES, Start(read_checkpoint(run), resumed=True))
