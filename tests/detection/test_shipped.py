"""The detector that comes with the package finds drawn shapes, before anything is trained."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.shapes.writing import draw_shapes
from tasks.detection.evaluate import evaluate_checkpoint
from tasks.detection.predict import load_detector
from tasks.engine.run_files import SHIPPED, find_checkpoint


def test_it_finds_new_shapes(tmp_path: Path) -> None:
    draw_shapes(tmp_path / "new", train=1, val=12, seed=99, size=128)
    sheet = evaluate_checkpoint("ours:shapes", [f"data.root={tmp_path / 'new'}"], tmp_path / "out")
    assert sheet is not None
    assert sheet.scores["box/AP50"] > 0.8


def test_it_names_what_it_finds(tmp_path: Path) -> None:
    draw_shapes(tmp_path / "new", train=1, val=4, seed=5, size=128)
    dataset = read_coco(
        tmp_path / "new" / "annotations" / "instances_val.json", tmp_path / "new/val"
    )
    found = load_detector("ours:shapes")([dataset.image_path(index) for index in range(4)])
    names = {name for image in found for name in image.above(0.5).names}
    assert names
    assert names <= {"circle", "square", "triangle", "star", "ring"}


def test_files_that_are_shipped_are_small() -> None:
    files = list(SHIPPED.glob("*.pt"))
    assert files
    assert all(file.stat().st_size <= 2 * 1024**2 for file in files)


def test_another_name_lists_what_there_is() -> None:
    with pytest.raises(UserError, match="must be ours:shapes, got ours:circles"):
        find_checkpoint(Path("ours:circles"))
