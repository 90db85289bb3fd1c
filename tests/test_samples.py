"""samples.png of every task: there before the first step, and without a trace in the weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import class_data
import pytest
import tiny_classifier
import tiny_segmenter
import torch
from command_line import write_settings
from PIL import Image

from tasks.classification.train import run as train_classifier
from tasks.detection.config import DetectionConfig
from tasks.detection.train import run as train_detector
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.config import load_config
from tasks.engine.launch import Run, launch
from tasks.segmentation.train import run as train_segmenter

Train = Callable[[Path, Path, int], Run]


def train_boxes(shapes: Path, out: Path, samples: int) -> Run:
    recipe = write_settings(out.parent, shapes)
    given = (f"run.output_dir={out}", f"run.samples={samples}", "schedule.steps=2")
    return launch(load_config(DetectionConfig, recipe, given), train_detector)


def train_labels(masks: Path, out: Path, samples: int) -> Run:
    changes = {"run__samples": samples, "schedule__steps": 2}
    return launch(tiny_segmenter.tiny_config(masks, out, **changes), train_segmenter)


def train_classes(root: Path, out: Path, samples: int, **changes: Any) -> Run:
    values = {"augment__mixup": 0.5, "augment__erase": 0.5, "schedule__steps": 2, **changes}
    config = tiny_classifier.tiny_config(root, out, run__samples=samples, **values)
    return launch(config, train_classifier)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders, under the name that the other fixtures of data have."""
    return class_data.folders(tmp_path_factory.mktemp("classes") / "data")


@pytest.mark.parametrize(
    ("data", "train"),
    [("shapes", train_boxes), ("masks", train_labels), ("folders", train_classes)],
)
def test_weights_do_not_depend_on_the_picture(
    data: str, train: Train, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    weights = {}
    for samples in (0, 12):
        root = request.getfixturevalue(data)
        folder = train(root, tmp_path / str(samples), samples).folder
        weights[samples] = read_checkpoint(folder / "last.pt").model
        assert (folder / "samples.png").exists() == (samples > 0)
    assert weights[0].keys() == weights[12].keys()
    assert all(torch.equal(weights[0][name], weights[12][name]) for name in weights[0])
    with Image.open(tmp_path / "12" / "samples.png") as picture:
        assert picture.width == 1520  # four images in a row
        assert picture.height > 3 * 200


def test_a_resumed_run_does_not_draw_it_again(folders: Path, tmp_path: Path) -> None:
    picture = train_classes(folders, tmp_path / "run", 3).folder / "samples.png"
    picture.write_bytes(b"the first start's")
    train_classes(folders, tmp_path / "run", 3, run__resume="auto", schedule__steps=3)
    assert picture.read_bytes() == b"the first start's"
