"""Exported weights are small, and give the scores, detections and features of their run."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import TRAIN, Commands, FinishedRun, Tools, largest_difference, write_settings
from noise_data import picture
from saved_detector import save_detector
from tiny_detector import TINY, tiny_detector

import resnet_backbones
from resnet_backbones.features import Backbone
from resnet_backbones.weights.sources import read_source
from tasks import evaluate, load
from tasks.detection.saved import SavedDetector
from tasks.engine.checkpoint import read_checkpoint

IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def features(backbone: Backbone) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        found: dict[str, torch.Tensor] = backbone.eval()(IMAGE)
    return found


def test_a_stripped_checkpoint_is_used_as_the_run_is(
    finished_run: FinishedRun, commands: Commands, shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "detector.pt"
    answer = commands("export-weights", finished_run.folder, out)
    assert answer.status == 0, answer.error
    source = finished_run.folder / "best.pt"
    assert answer.output.startswith(f"{source} (")
    assert f"model.weights={out}" in answer.output
    saved, stripped = read_checkpoint(source), read_checkpoint(out)
    assert saved.ema is not None
    assert largest_difference(stripped.model, saved.ema) == 0
    assert (stripped.has_ema, stripped.is_resumable) == (False, False)
    assert (stripped.metadata, stripped.progress) == (saved.metadata, saved.progress)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in saved.model.values())
    assert weights < out.stat().st_size < 1.1 * weights
    with_optimizer = (finished_run.folder / "last.pt").stat().st_size
    assert out.stat().st_size < 0.4 * with_optimizer  # model, average, momentum
    picture_file = next((shapes / "val").iterdir())
    one, other = (load(path, device="cpu")(picture_file) for path in (source, out))
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)
    copy = shutil.copy(source, tmp_path / "copy.pt")  # what is evaluated gets a folder beside it
    np.testing.assert_equal(evaluate(out), evaluate(copy))


def test_a_training_starts_from_a_stripped_checkpoint(
    finished_run: FinishedRun, commands: Commands, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "detector.pt"
    commands("export-weights", finished_run.folder, out)
    settings = (write_settings(tmp_path, shapes), f"run.output_dir={tmp_path / 'run'}")
    still = ("schedule.steps=1", "optim.lr=1e-12")
    answer = tools(TRAIN, *settings, *still, f"model.weights={out}")
    assert answer.status == 0, answer.error
    trained = read_checkpoint(tmp_path / "run").model
    assert largest_difference(trained, read_checkpoint(out).model) < 1e-8


@pytest.mark.parametrize(("norm", "ema"), [("batch", True), ("group", False)])
def test_an_exported_backbone_gives_the_detectors_features(
    commands: Commands, tmp_path: Path, norm: str, ema: bool
) -> None:
    config = replace(TINY, norm=norm)
    run = save_detector(tmp_path / "run", tiny_detector(config), config, ema=ema)
    out = tmp_path / "new" / "backbone.safetensors"
    answer = commands("export-weights", run, out)
    assert answer.status == 0, answer.error
    code = answer.output.partition("read it with ")[2]
    backbone = eval(code, {"resnet_backbones": resnet_backbones})
    expected = features(SavedDetector.read(run).build(torch.device("cpu")).backbone)
    found = features(backbone)
    assert expected.keys() == found.keys()
    for name, feature in expected.items():
        torch.testing.assert_close(found[name], feature)
    passport = read_source(str(out))[1]
    assert passport is not None
    assert (passport.architecture, passport.recipe) == (
        "resnet18",
        "detection, 7 steps from scratch",
    )


def test_an_unknown_ending_is_refused(commands: Commands, tmp_path: Path) -> None:
    answer = commands("export-weights", save_detector(tmp_path), tmp_path / "detector.onnx")
    assert answer.status == 2
    assert "OUT must end in .pt or .safetensors, got" in answer.error


def test_a_file_is_replaced_by_force_alone_and_never_the_checkpoint(
    commands: Commands, tmp_path: Path
) -> None:
    run = save_detector(tmp_path)
    out = tmp_path / "detector.pt"
    out.write_text("mine")
    refused = commands("export-weights", run, out)
    assert refused.status == 2
    assert f"OUT must be a new file, got {out}, which exists; --force replaces it" in refused.error
    assert out.read_text() == "mine"
    assert commands("export-weights", run, out, "--force").status == 0
    assert read_checkpoint(out).step == 7
    itself = commands("export-weights", run, run, "--force")
    assert itself.status == 2
    assert "OUT must be a different file from the checkpoint" in itself.error
    assert read_checkpoint(run).is_resumable


def test_weights_of_a_run_of_0_1_are_exported(commands: Commands, tmp_path: Path) -> None:
    run = Path(__file__).resolve().parents[1] / "frozen" / "0.1.0" / "run"
    for name in ("detector.pt", "backbone.safetensors"):
        answer = commands("export-weights", run, tmp_path / name)
        assert answer.status == 0, answer.error
    pixels = picture(60, 80)
    one, other = (load(path, device="cpu")(pixels) for path in (run, tmp_path / "detector.pt"))
    np.testing.assert_array_equal(one.boxes, other.boxes)
