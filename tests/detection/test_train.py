from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from noise_data import write

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import fingerprint
from tasks.detection.check_files import check_files
from tasks.detection.config import DataConfig, DetectionConfig, ModelConfig
from tasks.detection.data.batches import TrainBatches
from tasks.detection.train import describe_data
from tasks.engine.settings import RunConfig
from tasks.vision.settings import SplitConfig

ROOT = Path(__file__).resolve().parents[2]
OBJECT = {"bbox": [2, 3, 12, 9]}


def test_data_sets_of_other_boxes_have_other_fingerprints(tmp_path: Path) -> None:
    one, other, moved = (tmp_path / name for name in ("one", "other", "moved"))
    for folder in (one, other, moved):
        folder.mkdir()
    first = fingerprint(write(one, [(20, 30)], [[OBJECT]]))
    assert fingerprint(write(moved, [(20, 30)], [[OBJECT]])) == first
    assert fingerprint(write(other, [(20, 30)], [[{"bbox": [2, 3, 12, 8]}]])) != first


def test_the_start_tells_sizes_warnings_and_epochs(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(20, 30)] * 5, [[OBJECT, OBJECT]] * 4 + [[]])
    config = DetectionConfig(
        data=DataConfig(batch_size=2), schedule=replace(DetectionConfig().schedule, steps=9)
    )
    lines = describe_data(config, dataset, dataset, TrainBatches(dataset, config.data))
    assert lines[0] == f"train {dataset.path}: 5 images, 8 objects, 1 classes"
    assert any("1 of 5 training images have no object" in line for line in lines)


@pytest.mark.parametrize(
    ("model", "batch_size", "warned"),
    [
        (ModelConfig(), 4, True),
        (ModelConfig(), 8, False),
        (ModelConfig(norm="group"), 4, False),
        (ModelConfig(weights="resnet50.pth"), 4, False),
        (ModelConfig(weights="resnet50.pth", norm="batch"), 4, True),
    ],
)
def test_batch_norm_on_few_images_is_warned_of(
    tmp_path: Path, model: ModelConfig, batch_size: int, warned: bool
) -> None:
    dataset = write(tmp_path, [(20, 30)], [[OBJECT]])
    config = DetectionConfig(data=DataConfig(batch_size=batch_size), model=model)
    assert (
        _warns_of_few(describe_data(config, dataset, dataset, TrainBatches(dataset, config.data)))
        == warned
    )


def _warns_of_few(lines: list[str]) -> bool:
    return any("batch norm sees" in line for line in lines)


TRAIN = ["tools/train_det.py", "configs/quickstart.yaml"]


@pytest.mark.parametrize(
    "tool",
    [
        [*TRAIN, "data.root=nowhere"],
        [*TRAIN, "optim.lr=fast"],
        [*TRAIN, "data.batchsize=4"],
        [*TRAIN, "model.backbone=resnet81"],
        ["tools/train_det.py", "data.root=nowhere"],
        ["tools/eval_det.py", "nowhere.pt"],
        ["tools/predict.py", "nowhere.pt", "image.jpg", "--out", "nowhere"],
        ["tools/eval_det.py", "--results", "nowhere.json", "--annotations", "nowhere.json"],
    ],
    ids=" ".join,
)
def test_wrong_settings_and_paths_answer_without_importing_torch(tool: list[str]) -> None:
    """A torch that fails on import stands in the way of the real one."""
    without_torch = "import runpy, sys; sys.modules['torch'] = None; del sys.argv[0]; "
    run_tool = "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", without_torch + run_tool, *tool]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.startswith("error: "), answer.stderr


def test_missing_weights_are_named_unless_a_run_is_resumed(tmp_path: Path) -> None:
    write(tmp_path, [(20, 30)], [[OBJECT]])
    split = SplitConfig(images=str(tmp_path), annotations=str(tmp_path / "instances.json"))
    data, model = DataConfig(train=split, val=split), ModelConfig(weights="absent.pth")
    config = DetectionConfig(
        data=data, model=model, run=RunConfig(output_dir=str(tmp_path), resume="auto")
    )
    with pytest.raises(
        UserError, match=r"model\.weights must be an existing file.*got absent\.pth"
    ):
        check_files(config)
    (tmp_path / "last.pt").touch()
    check_files(config)
