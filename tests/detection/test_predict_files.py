"""Pictures and JSON of image files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from noise_data import picture
from PIL import Image
from saved_detector import CLASSES, DATA, save_detector
from tiny_detector import tiny_detector

from resnet_backbones.errors import UserError
from tasks.detection.predict import Detector
from tasks.detection.predict_files import predict_files
from tasks.engine.precision import Precision
from tasks.outputs import LIST

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(tiny_detector().eval(), CLASSES, DATA, Precision("fp32", "cpu"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """a.png, a.jpg, below/b.png and a file that is no image."""
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "a.jpg", "below/b.png")):
        Image.fromarray(picture(40, 60, seed)).save(folder / name)
    return folder


def written_to(out: Path) -> list[str]:
    """The files below a folder, without the lists of what was written."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != LIST]
    return sorted(str(path.relative_to(out)) for path in files)


def test_every_image_gets_a_picture_in_its_place(
    detector: Detector, images: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    assert predict_files(detector, [images], tmp_path / "out", report=lines.append) == ()
    expected = [
        "a.png_detections.jpg",
        "a_detections.jpg",
        "below/b_detections.jpg",
        "predictions.json",
    ]
    assert written_to(tmp_path / "out") == expected
    assert Image.open(tmp_path / "out" / "a_detections.jpg").size == (60, 40)
    assert [line.partition(":")[0] for line in lines] == [
        str(images / name) for name in ("a.jpg", "a.png", "below/b.png")
    ]


def test_the_json_holds_what_the_detector_finds(
    detector: Detector, images: Path, tmp_path: Path
) -> None:
    predict_files(detector, [images / "a.png"], tmp_path, score=0.3, report=lambda _: None)
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["images"] == [
        {"id": 1, "file_name": str(images / "a.png"), "height": 40, "width": 60}
    ]
    assert [category["id"] for category in content["categories"]] == [10, 20, 30]
    found = detector(images / "a.png").above(0.3)
    assert [entry["score"] for entry in content["annotations"]] == pytest.approx(
        found.scores.tolist()
    )
    assert {entry["image_id"] for entry in content["annotations"]} <= {1}


def test_only_detections_of_the_score_are_drawn(
    detector: Detector, images: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    predict_files(detector, [images / "a.png"], tmp_path, score=1.0, report=lines.append)
    assert ": nothing -> " in lines[0]
    Image.fromarray(picture(40, 60, 0)).save(tmp_path / "plain.jpg", quality=92)
    assert (tmp_path / "a_detections.jpg").read_bytes() == (tmp_path / "plain.jpg").read_bytes()


def test_a_damaged_file_is_reported_and_the_others_are_done(
    detector: Detector, images: Path, tmp_path: Path
) -> None:
    (images / "a.jpg").write_bytes(b"no image")
    problems = predict_files(detector, [images], tmp_path / "out", report=lambda _: None)
    assert len(problems) == 1
    assert str(images / "a.jpg") in problems[0]
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]) == 2


def test_pictures_of_an_earlier_call_are_not_predicted_on(detector: Detector, images: Path) -> None:
    for _ in range(2):
        predict_files(detector, [images], images / "out", report=lambda _: None)
    assert len(written_to(images / "out")) == 4


def test_the_images_own_folder_is_refused_as_output(detector: Detector, images: Path) -> None:
    with pytest.raises(UserError, match="must be another folder"):
        predict_files(detector, [images], images)


def test_a_missing_source_is_named(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        predict_files(detector, [tmp_path / "nowhere"], tmp_path / "out")


def test_the_tool_predicts(images: Path, tmp_path: Path) -> None:
    checkpoint = save_detector(tmp_path / "run")
    command = [
        sys.executable,
        "tools/predict.py",
        str(checkpoint),
        str(images),
        "--out",
        str(tmp_path / "out"),
    ]
    answer = subprocess.run(
        [*command, "--score", "0.3", "--device", "cpu"], capture_output=True, text=True, cwd=ROOT
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert len(written_to(tmp_path / "out")) == 4
