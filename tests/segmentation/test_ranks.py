"""Two ranks train and score what one does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import command_line, finish
from PIL import Image
from tiny_segmenter import arguments, tiny_config, write_masks

from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import launch
from tasks.engine.loading import Share
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.segmentation.train import run

TRAIN = "tools/train_seg.py"
CHANGES: dict[str, Any] = {
    "schedule__steps": 3,
    "schedule__reference_steps": 3,
    "optim__name": "sgd",  # AdamW magnifies roundings
    "optim__lr": 0.02,
    "loss__dice": 0.5,
    "loss__class_weights": "[0.5,1,2]",
}


def weights_of_step(root: Path, step: int) -> list[float]:
    """Of each rank's batch."""
    config = tiny_config(root, **CHANGES)
    dataset = read_split(config.data, "train")
    shares = [Share(rank=rank, ranks=2) for rank in (0, 1)]
    return [next(TrainBatches(dataset, config, share).start(step)).weight for share in shares]


def write_unequal(root: Path) -> Path:
    """A data set of which the second rank has ignored pixels alone in the second step, and the
    first rank in one of its two images of the first step.
    """
    write_masks(root)
    config = tiny_config(root, **CHANGES)
    dataset = read_split(config.data, "train")
    plan = TrainBatches(dataset, config).plan
    for image in (plan(0).images[0], *plan(1).images[2:]):
        mask = dataset.read_labels.file(image.index)
        Image.fromarray(np.full((48, 64), 255, np.uint8)).save(mask)
    return root


@pytest.mark.slow
def test_two_ranks_equal_one_and_count_every_image_once(tmp_path: Path) -> None:
    root = write_unequal(tmp_path / "data")
    first, second = weights_of_step(root, 1)
    assert first > second == 0
    one, two = tmp_path / "one", tmp_path / "two"
    launch(tiny_config(root, one, **CHANGES), run)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("task: segmentation\n")
    given = [*arguments(root, **CHANGES), f"run.output_dir={two}"]
    finish(command_line(TRAIN, recipe, *given, ranks=2))
    expected = read_checkpoint(one / "last.pt").model
    for name, tensor in read_checkpoint(two / "last.pt").model.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)
    scored = [np.load(out / "pixels.npz")["image_ids"].tolist() for out in (one, two)]
    assert scored == [[1, 2, 3, 4]] * 2
    scores = [json.loads((out / "evaluation.json").read_text())["scores"] for out in (one, two)]
    assert scores[0]["val/loss"] == pytest.approx(scores[1]["val/loss"], rel=1e-4)
