"""Commands whose disk is full, only read or not there (fault_campaign 20 and 21)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Commands
from noise_data import picture
from PIL import Image
from small_disk import BLOCK, SmallDisk

from tasks.datasets.shapes.writing import draw_shapes

FULL = "No space left on device"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn shapes, with the results of a detector that finds each object a hundred times."""
    root = tmp_path_factory.mktemp("full") / "shapes"
    draw_shapes(root, train=1, val=3, size=128)
    truth = json.loads((root / "annotations/instances_val.json").read_text())
    found = [
        {**{name: record[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.5}
        for record in truth["annotations"]
    ]
    (root / "found.json").write_text(json.dumps(found))
    (root / "boxes.csv").write_text("file,label,x1,y1,x2,y2\nval/000001.jpg,cat,1,1,9,9\n")
    return root


LINES = {
    "convert": "convert csv {shapes}/boxes.csv {disk}/out.json",
    "check": "check {shapes} --html {disk}/out.html",
    "fix": "check {shapes} --fix {disk}/out.json",
    "results": "eval --results {shapes}/found.json --annotations {truth} --out {disk}",
    "eval": "eval ours:shapes data.root={shapes} run.device=cpu --out {disk}",
    "predict": "predict ours:shapes {shapes}/val --out {disk}/found --device=cpu",
    "export": "export-weights ours:shapes {disk}/out.safetensors",
}


def typed(name: str, shapes: Path, disk: SmallDisk) -> list[str]:
    truth = shapes / "annotations/instances_val.json"
    return LINES[name].format(shapes=shapes, truth=truth, disk=disk.folder).split()


@pytest.mark.parametrize("name", LINES)
def test_a_full_disk_is_found_before_the_work(
    commands: Commands, shapes: Path, disk: SmallDisk, name: str
) -> None:
    disk.fill()
    answer = commands(*typed(name, shapes, disk))
    assert answer.status == 2
    assert answer.error.startswith(f"error: {disk.folder}")
    assert f"{FULL}, 0 kB free there; make room, or choose another place" in answer.error
    assert answer.error.count("\n") == 1
    assert [path.name for path in disk.folder.iterdir()] == [".filler"]


@pytest.mark.parametrize("name", ["convert", "results", "predict"])
def test_a_disk_that_is_only_read_is_found_before_the_work(
    commands: Commands, shapes: Path, disk: SmallDisk, name: str
) -> None:
    disk.protect()
    answer = commands(*typed(name, shapes, disk))
    assert answer.status == 2
    assert "Read-only file system" in answer.error
    assert answer.error.count("\n") == 1


def test_scores_that_cannot_be_saved_are_shown(
    commands: Commands, shapes: Path, disk: SmallDisk
) -> None:
    disk.fill(BLOCK)  # detections.json and the list need more
    answer = commands(*typed("eval", shapes, disk))
    assert answer.status == 2
    assert "COCO box scores, times 100" in answer.output
    assert answer.error.startswith(f"error: {disk.folder}/")
    assert FULL in answer.error
    disk.clear()
    assert commands(*typed("eval", shapes, disk)).status == 0


def test_a_report_that_cannot_be_saved_leaves_the_scores(
    commands: Commands, shapes: Path, disk: SmallDisk
) -> None:
    disk.fill(3 * BLOCK)  # evaluation.json and the list take two
    answer = commands(*typed("results", shapes, disk))
    assert answer.status == 0
    assert "report: none, as making it failed" in answer.output
    assert json.loads((disk.folder / "evaluation.json").read_text())["scores"]["box/AP"] > 0.9
    answer = commands("report", disk.folder)
    assert answer.status == 2
    assert answer.error.startswith(f"error: {disk.folder}/report.html must be a place")


def test_predictions_are_kept_until_the_disk_is_full(
    commands: Commands, tmp_path: Path, disk: SmallDisk
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(6):
        Image.fromarray(picture(200, 200, number)).save(tmp_path / f"photos/{number}.png")
    disk.fill(30 * BLOCK)  # a picture takes about ten
    out = disk.folder / "found"
    words = ("predict", "ours:shapes", tmp_path / "photos", "--out", out, "--device=cpu")
    answer = commands(*words)
    assert answer.status == 2
    assert FULL in answer.error
    written = len(list(out.glob("*_detections.jpg")))
    assert 0 < written < 6
    kept = json.loads((out / "predictions.json").read_text())["images"]
    assert len(kept) >= written / 2
    disk.clear()
    assert commands(*words).status == 0
