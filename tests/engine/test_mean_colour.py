"""A task of fewer than 150 lines has everything that the engine gives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import command_line
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.detection.predict import load_detector
from tasks.engine.checkpoint import read_checkpoint
from tasks.metrics_file import read_metrics

SCRIPT = Path(__file__).with_name("mean_colour.py")
ROOT = SCRIPT.parents[2]
SETTINGS = ("run.device=cpu", "run.precision=fp32", "run.log_every=1", "run.save_every=3")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    colours = np.random.default_rng(0).integers(0, 256, (10, 3))
    for number, colour in enumerate(colours):
        Image.new("RGB", (12, 8), tuple(colour.tolist())).save(folder / f"{number}.png")
    return folder


def run(*arguments: str, ranks: int = 1, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(SCRIPT, *arguments, *SETTINGS, ranks=ranks),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def straight(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    done = run(f"data.root={images}", f"run.output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "last.pt").model


def test_it_takes_at_most_150_lines() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 150


def test_it_learns_and_predicts(straight: Path, images: Path) -> None:
    import importlib.util

    specification = importlib.util.spec_from_file_location("mean_colour", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["mean_colour"] = module
    specification.loader.exec_module(module)
    rows = read_metrics(straight / "metrics.jsonl")
    assert rows[-1]["val/square"] < 0.5 * rows[0]["loss"]
    red = module.predict(straight, images / "0.png")
    assert len(red) == 3
    error = np.square(np.array(red) - np.array(Image.open(images / "0.png"))[0, 0] / 255).mean()
    assert error < 0.2


def test_killed_with_dropout_it_resumes_to_the_bit(
    straight: Path, images: Path, tmp_path: Path
) -> None:
    arguments = (f"data.root={images}", f"run.output_dir={tmp_path}")
    assert run(*arguments, KILL_AT="8").returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "last.pt").step == 6
    done = run(*arguments, "run.resume=auto", "data.workers=1")
    assert done.returncode == 0, done.stderr
    expected = weights(straight)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(tmp_path).items())


def test_two_ranks_evaluate_every_image_once(images: Path, tmp_path: Path) -> None:
    done = run(f"data.root={images}", f"run.output_dir={tmp_path / 'two'}", ranks=2)
    assert done.returncode == 0, done.stderr
    scored = read_metrics(tmp_path / "two" / "metrics.jsonl")[-1]["val/square"]
    again = run(
        f"data.root={images}", f"run.output_dir={tmp_path / 'two'}", "run.resume=auto", ranks=1
    )
    assert again.returncode == 0, again.stderr
    saved = read_checkpoint(tmp_path / "two" / "last.pt").progress
    assert saved.scores["val/square"] == scored
    assert scored == pytest.approx(one_by_one(tmp_path / "two", images), rel=1e-5)


def one_by_one(run: Path, images: Path) -> float:
    """The mean square error of a run's last weights, computed without the engine."""
    state = weights(run)
    first = state["layers.1.weight"][:, :, 0, 0]
    second = state["layers.2.weight"][:, :, 0, 0]
    errors = []
    for file in sorted(images.iterdir()):
        colour = torch.tensor(np.array(Image.open(file))[0, 0] / 255).float()
        found = second @ (first @ colour + state["layers.1.bias"]) + state["layers.2.bias"]
        errors.append(float((found - colour).square().mean()))
    return sum(errors) / len(errors)


def test_a_checkpoint_of_another_task_is_refused(straight: Path) -> None:
    with pytest.raises(UserError, match="must be a checkpoint of detection, got one of colour"):
        load_detector(straight)
