"""`backbones predict` and `backbones eval` on the checkpoint of a tiny detector."""

import io
import json
from pathlib import Path

import pytest
import torch
from command_line import Commands
from noise_data import picture
from PIL import Image
from saved_detector import save_detector
from video_data import write_video

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


def test_an_address_of_another_kind_is_refused(
    commands: Commands, run: Path, tmp_path: Path
) -> None:
    answer = commands("predict", run, "s3://bucket/a.jpg", "--out", tmp_path)
    assert answer.status == 2
    assert "http and https addresses, got s3://bucket/a.jpg; download it" in answer.error


def test_an_address_that_cannot_be_fetched_is_left_out_and_the_others_are_done(
    commands: Commands, run: Path, image: Path, tmp_path: Path
) -> None:
    words = ("http://127.0.0.1:9/b.jpg", "--out", tmp_path / "found", "--device", "cpu")
    answer = commands("predict", run, image, *words)
    assert answer.status == 1
    assert "1 file was left out:\nan address must be of the public Internet" in answer.error
    assert (tmp_path / "found" / "a_detections.jpg").exists()


def test_a_pattern_in_quotes_is_a_list_of_images(
    commands: Commands, run: Path, image: Path, tmp_path: Path
) -> None:
    (image.parent / "notes.txt").write_text("none")
    words = ("--out", tmp_path / "found", "--device", "cpu")
    answer = commands("predict", run, f"{image.parent}/*", *words)
    assert answer.status == 0, answer.error
    assert (tmp_path / "found" / "a_detections.jpg").exists()


def test_an_image_comes_through_standard_input(
    commands: Commands, run: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(image.read_bytes())))
    answer = commands("predict", run, "-", "--out", tmp_path / "found", "--device", "cpu")
    assert answer.status == 0, answer.error
    content = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert [one["file_name"] for one in content["images"]] == [
        str(tmp_path / "found" / "inputs" / "stdin.png")
    ]


def test_a_video_becomes_a_video(
    commands: Commands, run: Path, image: Path, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "clip.mp4", [picture(40, 60, seed) for seed in range(3)])
    words = ("--out", tmp_path / "found", "--device", "cpu", "--score", "0.3")
    answer = commands("predict", run, clip, *words)
    assert answer.status == 0, answer.error
    assert answer.output.endswith(f"{clip}: 3 frames -> {tmp_path}/found/clip_annotated.mp4\n")
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        ".backbones.jsonl",  # the list of the others
        "clip_annotated.mp4",
        "clip_predictions.json",
    }


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
