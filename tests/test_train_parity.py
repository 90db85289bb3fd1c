"""The same training on one process, on two, and on two with accumulation, through the
command line.
"""

import json
from pathlib import Path

import pytest
import torch
import torchvision
from command_line import Tools, largest_difference, metrics, train, write_settings

from tasks.datasets.coco.dataset import read_coco
from tasks.detection.config import DetectionConfig
from tasks.detection.data.batches import TrainBatches
from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.config import load_config


@pytest.mark.slow
def test_with_group_norms(shapes: Path, tmp_path: Path, tools: Tools) -> None:
    assert_same_training(shapes, tmp_path, "model.norm=group")
    scored_by_two = json.loads((tmp_path / "two" / "evaluation.json").read_text())["scores"]
    tools("tools/eval_det.py", tmp_path / "two" / "last.pt", "--out", tmp_path / "scored by one")
    assert (
        json.loads((tmp_path / "scored by one" / "evaluation.json").read_text())["scores"]
        == scored_by_two
    )


@pytest.mark.slow
def test_with_frozen_norms(shapes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    assert_same_training(
        shapes, tmp_path, "model.norm=auto", f"model.weights={tmp_path / 'resnet18.pth'}"
    )


def assert_same_training(shapes: Path, folder: Path, *overrides: str) -> None:
    """Three steps by 1 process x 4 images, 2 x 2, and 2 x 1 accumulated twice; in one of them rank
    1 has no object.
    """
    settings = write_settings(folder, shapes)
    annotations = without_objects_of_rank_1(shapes, folder, settings)
    arguments = [
        settings,
        f"data.train.images={shapes / 'train'}",
        f"data.train.annotations={annotations}",
    ]
    arguments += ["data.keep_empty=true", *overrides]
    one = trained(folder / "one", 1, *arguments)
    for name, accumulate in (("two", 1), ("accumulated", 2)):
        other = trained(folder / name, 2, *arguments, f"optim.accumulate={accumulate}")
        assert other.step == one.step == 3
        assert largest_difference(one.model, other.model) < 1e-5, name
        losses, expected = ([row["loss"] for row in metrics(folder / run)] for run in (name, "one"))
        assert losses == pytest.approx(expected, rel=1e-5), name


def trained(folder: Path, ranks: int, *arguments: object) -> Checkpoint:
    train(*arguments, f"run.output_dir={folder}", ranks=ranks)
    return read_checkpoint(folder / "last.pt")


def without_objects_of_rank_1(shapes: Path, folder: Path, settings: Path) -> Path:
    """The training annotations, but for those of the images that rank 1 of 2 gets in the second of
    three steps.
    """
    original = shapes / "annotations" / "instances_train.json"
    dataset, config = (
        read_coco(original, shapes / "train"),
        load_config(DetectionConfig, settings, []),
    )
    plans = [TrainBatches(dataset, config.data).plan(step) for step in range(3)]
    sizes = [
        ({i.placement.size for i in plan.images[:2]}, {i.placement.size for i in plan.images[2:]})
        for plan in plans
    ]
    assert all(first != second for first, second in sizes), "each rank must have other sizes"
    emptied = {dataset.original_ids[image.index] for image in plans[1].images[2:]}
    content = json.loads(original.read_text())
    content["annotations"] = [
        entry for entry in content["annotations"] if entry["image_id"] not in emptied
    ]
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"
