"""`backbones predict` and `backbones eval` on the checkpoint of a tiny detector."""

from pathlib import Path

import pytest
import torch
from command_line import Commands
from noise_data import picture
from PIL import Image
from saved_detector import save_detector

from tasks.engine.checkpoint import Checkpoints
from tasks.engine.progress import Progress


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return save_detector(tmp_path / "run").parent


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray(picture(40, 60)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("score", ["50", "-0.1", "1.01", "nan"])
def test_a_score_outside_0_to_1_is_refused(
    commands: Commands, run: Path, image: Path, tmp_path: Path, score: str
) -> None:
    answer = commands("predict", run, image, "--out", tmp_path / "found", f"--score={score}")
    assert answer.status == 2
    assert answer.error == f"error: --score must be from 0 to 1, got {float(score):g}\n"
    assert not (tmp_path / "found").exists()


def test_an_address_is_no_file(commands: Commands, run: Path, tmp_path: Path) -> None:
    answer = commands("predict", run, "https://example.com/a.jpg", "--out", tmp_path)
    assert answer.status == 2
    assert "got the address https://example.com/a.jpg; download it" in answer.error


def test_a_damaged_file_is_left_out_with_status_1(
    commands: Commands, run: Path, image: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "b.png"
    damaged.write_bytes(b"no image")
    words = ("--out", tmp_path / "found", "--device", "cpu", "--score", "0.3")
    answer = commands("predict", run, image, damaged, *words)
    assert answer.status == 1
    assert answer.error.startswith(f"1 file was left out:\ncannot decode {damaged}")
    assert f"{image}: " in answer.output
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        ".backbones.jsonl",  # the list of the others
        "a_detections.jpg",
        "predictions.json",
    }


@pytest.mark.parametrize("command", ["predict", "eval"])
def test_a_checkpoint_of_an_unknown_task_is_answered_with_the_known(
    commands: Commands, image: Path, tmp_path: Path, command: str
) -> None:
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    files = Checkpoints(tmp_path, {"task": "painting"})
    files.save(("last.pt",), Progress(step=1), model, None, optimizer)
    more = (image, "--out", tmp_path) if command == "predict" else ()
    answer = commands(command, tmp_path / "last.pt", *more)
    assert answer.status == 2
    assert (
        "one of detection, segmentation, classification, got 'painting' in the checkpoint"
        in answer.error
    )
