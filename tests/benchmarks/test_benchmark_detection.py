"""The detection benchmark with a tiny ResNet-18: the same weights in all, compared before anything
is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks import detection, pairings
from benchmarks.common import Timings
from benchmarks.detection import goals
from benchmarks.detectron2_peer import build_detectron2, to_detectron2
from benchmarks.weights import DetectorWeights, checkpoint_weights, random_weights, to_torchvision
from resnet_backbones.errors import UserError
from tasks.detection.config import AnchorConfig, ModelConfig
from tasks.detection.model.faster_rcnn import build_faster_rcnn
from tasks.detection.model.torchvision_names import from_torchvision

if TYPE_CHECKING:
    from command_line import Answer, Tools

Run = Callable[..., "Answer"]


@pytest.fixture(scope="module")
def weights() -> DetectorWeights:
    """Few proposals and samples, for the box head is what takes the time on small images."""
    found = random_weights("resnet18")
    rpn = replace(
        found.model.rpn, train_pre_nms=64, train_post_nms=64, test_pre_nms=64, test_post_nms=64
    )
    return replace(
        found, model=replace(found.model, rpn=rpn, roi=replace(found.model.roi, samples=32))
    )


@pytest.fixture
def run(tools: Tools, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the benchmark with given weights instead of its own."""

    def start(given: DetectorWeights, *more: object) -> Answer:
        monkeypatch.setattr(detection, "random_weights", lambda: given)
        sizes = (
            "--images",
            shapes / "val",
            "--count",
            1,
            "--short-edge",
            64,
            "--long-edge",
            96,
            "--train-batch",
            1,
        )
        where = ("--device", "cpu", "--rounds", 1, "--threads", 1, "--out", tmp_path)
        return tools("tools/benchmark.py", "detection", *sizes, *where, *more)

    return start


@pytest.mark.slow
def test_random_weights_are_compared_and_timed_in_fp32_only(
    run: Run, weights: DetectorWeights, tmp_path: Path
) -> None:
    answer = run(weights)
    assert answer.status == 0, answer.error
    assert "ours fp32 and torchvision: " in answer.output
    assert "| ours bf16" not in answer.output
    assert "model.backbone=resnet50" in answer.output  # how to make a checkpoint for bf16
    text = (tmp_path / "detection.md").read_text()
    assert "of the limit" in text
    assert "GFLOP/s in fp32" in text


@pytest.mark.parametrize("option", ["--batch", "--train-batch"])
def test_a_batch_of_no_images_is_refused(run: Run, weights: DetectorWeights, option: str) -> None:
    answer = run(weights, option, 0)
    assert (answer.status, answer.error) == (2, f"error: {option} must be >= 1, got 0\n")


def test_other_weights_in_one_of_them_are_refused(
    run: Run, weights: DetectorWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(
        weights,
        state={
            **weights.state,
            "box_head.offsets.bias": weights.state["box_head.offsets.bias"] + 1,
        },
    )
    monkeypatch.setattr(
        DetectorWeights, "build_torchvision", lambda _, *edges: right(other, *edges)
    )
    answer = run(weights)
    assert (answer.status, "have no partner of their class" in answer.error) == (
        1,
        True,
    ), answer.error
    assert list(tmp_path.glob("*.json")) == []


right = DetectorWeights.build_torchvision


@pytest.mark.slow  # where bf16 is emulated
def test_bf16_is_compared_and_timed_with_trained_weights(
    run: Run, weights: DetectorWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairings, "check_confident", lambda name, *_: f"{name} was compared")
    answer = run(replace(weights, trained_size=(64, 96)))
    assert answer.status == 0, answer.error
    for text in ("ours bf16 was compared", "| ours bf16 ", "| torchvision bf16 channels_last "):
        assert text in answer.output


def test_our_weights_go_to_torchvisions_names_and_back(weights: DetectorWeights) -> None:
    theirs = right(weights, 64, 96).state_dict()
    back = from_torchvision(to_torchvision(weights.state, theirs))
    assert back.keys() == weights.state.keys()
    assert [
        name for name, value in weights.state.items() if not torch.equal(value, back[name])
    ] == []


def test_our_weights_go_to_detectron2s_names() -> None:
    pairs = {
        "backbone.bottom_up.stem.conv1.norm.bias": "backbone.bn1.bias",
        "backbone.bottom_up.res4.5.shortcut.weight": "backbone.layer3.5.downsample.0.weight",
        "backbone.bottom_up.res2.0.conv3.norm.running_var": "backbone.layer1.0.bn3.running_var",
        "backbone.fpn_lateral3.bias": "pyramid.lateral.c3.bias",
        "roi_heads.box_head.fc2.weight": "box_head.fc7.weight",
    }
    state = {ours: torch.tensor(place) for place, ours in enumerate(pairs.values())}
    converted = to_detectron2(state, dict.fromkeys([*pairs, "own"], torch.tensor(-1)))
    assert [int(value) for value in converted.values()] == [*range(len(pairs)), -1]


def test_a_folder_that_is_not_detectron2s_is_refused(
    weights: DetectorWeights, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--detectron2 must be a source tree"):
        build_detectron2(tmp_path, weights, torch.device("cpu"))


def test_a_checkpoint_that_torchvision_has_no_place_for_is_refused(tmp_path: Path) -> None:
    from saved_detector import save_detector

    with pytest.raises(
        UserError,
        match=r"is not of model.norm=batch or frozen, model.pyramid_channels=256.*comes from",
    ):
        checkpoint_weights(str(save_detector(tmp_path)))


def test_a_checkpoint_keeps_its_weights_and_anchors(tmp_path: Path) -> None:
    from saved_detector import DATA, save_detector

    config = ModelConfig(
        backbone="resnet18", norm="batch", anchors=AnchorConfig(sizes=(8, 16, 32, 64, 128))
    )
    model = build_faster_rcnn(config, 3)
    weights = checkpoint_weights(str(save_detector(tmp_path, model, config)))
    assert (weights.classes, weights.model.anchors.sizes) == (3, (8, 16, 32, 64, 128))
    assert weights.trained_size == (DATA.test_short_edge, DATA.long_edge)
    built, saved = weights.build(torch.device("cpu")).state_dict(), model.state_dict()
    assert [name for name in built if not torch.equal(built[name], saved[name])] == []


def test_goals_are_those_of_the_device() -> None:
    on_cpu = {
        (goal.variant, goal.base): goal.factor for goal in goals(torch.device("cpu"), training=True)
    }
    assert on_cpu[("ours bf16", "torchvision")] == 3.1
    assert [goal.factor for goal in goals(torch.device("cuda"), training=True)] == [4.0]
    assert [goal.factor for goal in goals(torch.device("cuda"), training=False)] == [6.0]


def test_a_goal_beyond_the_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "convolution_rate", lambda _: 2e11)
    seconds, least = (
        {"torchvision": [3.0], "ours fp32": [2.0], "ours bf16": [1.0]},
        {"ours fp32": 2.0, "ours bf16": 0.5},
    )
    lines = detection.describe_limit(
        [Timings("inference", seconds, goals(torch.device("cpu"), training=False), 1, least)]
    )
    assert "200 GFLOP/s in fp32" in lines[0]
    assert lines[1:] == [
        "inference: at its limit, ours fp32 would be 1.50 times as fast as torchvision."
    ]


def test_too_few_images_for_a_batch_are_refused(run: Run, weights: DetectorWeights) -> None:
    answer = run(weights, "--batch", 99)
    assert (answer.status, "at least 99 images" in answer.error) == (2, True), answer.error
