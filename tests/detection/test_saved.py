from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from saved_detector import CLASSES, save_detector
from tiny_detector import TINY, tiny_detector

from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.saved import SavedDetector
from tasks.engine.checkpoint import Checkpoints
from tasks.engine.progress import Progress

CPU = torch.device("cpu")


def detected(model: FasterRCNN) -> torch.Tensor:
    """Boxes that the model finds in noise."""
    images = torch.randint(
        0, 256, (1, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        return model.eval()(images, torch.tensor([[64, 96]])).boxes


def test_a_restored_detector_detects_the_same(tmp_path: Path) -> None:
    saved = SavedDetector.read(save_detector(tmp_path))
    assert saved.label_map == CLASSES
    said = saved.describe()
    assert said["checkpoint"] == str(tmp_path / "last.pt")
    assert (said["step"], said["weights"], said["overrides"]) == (7, "model", [])
    torch.testing.assert_close(
        detected(saved.build(CPU)), detected(tiny_detector()), rtol=0, atol=0
    )


def test_frozen_norms_and_the_passport_are_restored_without_the_weights_file(
    tmp_path: Path,
) -> None:
    config = replace(TINY, norm="auto", weights="gone.safetensors")
    passport = Passport(
        architecture="resnet18",
        channel_order="bgr",
        value_range=255.0,
        mean=(1, 2, 3),
        std=(1, 1, 1),
        norm_eps=0.01,
    )
    torch.manual_seed(0)
    model = build_faster_rcnn(config, 3, passport=passport)
    restored = SavedDetector.read(save_detector(tmp_path, model, config)).build(CPU)
    assert restored.backbone.passport == replace(passport, options={"shortcut": "B"})
    assert restored.backbone.frozen_names() == model.backbone.frozen_names()
    torch.testing.assert_close(detected(restored), detected(model), rtol=0, atol=0)


def test_the_moving_average_is_used_where_there_is_one(tmp_path: Path) -> None:
    saved = SavedDetector.read(save_detector(tmp_path, ema=True))
    assert saved.describe()["weights"] == "ema"
    bias = tiny_detector().state_dict()["rpn.conv.weight"]
    torch.testing.assert_close(saved.build(CPU).state_dict()["rpn.conv.weight"], bias / 2)


def test_overrides_change_the_settings(tmp_path: Path) -> None:
    saved = SavedDetector.read(
        save_detector(tmp_path), ["model.roi.score_threshold=0.3", "data.val_short_edge=96"]
    )
    assert saved.build(CPU).box_head.config.score_threshold == 0.3
    assert saved.config.data.test_short_edge == 96


def test_an_unknown_override_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.roi\.score_threshold"):
        SavedDetector.read(save_detector(tmp_path), ["model.roi.score_treshold=0.3"])


def test_an_override_that_changes_the_network_is_refused(tmp_path: Path) -> None:
    saved = SavedDetector.read(save_detector(tmp_path), ["model.pyramid_channels=8"])
    with pytest.raises(UserError, match=r"must hold the weights of this network"):
        saved.build(CPU)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Checkpoints(tmp_path, {"config": {}}).save(("last.pt",), Progress(), model, None, optimizer)
    with pytest.raises(
        UserError,
        match="must be a checkpoint of detection, got one that names no task",
    ):
        SavedDetector.read(tmp_path)
