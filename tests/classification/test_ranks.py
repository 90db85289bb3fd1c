"""Two ranks train and score what one does."""

import json
from pathlib import Path

import pytest
import torch
from command_line import command_line, finish
from tiny_classifier import arguments

from tasks.engine.checkpoint import read_checkpoint

TRAIN = "tools/train_cls.py"
RECIPE = "task: classification\n"
CHANGES = {
    "model__backbone": "resnet18",
    "model__norm": "group",
    "augment__erase": 0.5,
    "augment__lighting": 0.1,
}


@pytest.mark.slow
def test_two_ranks_equal_one_and_count_every_image_once(folders: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    given = arguments(folders, **CHANGES)
    for ranks in (1, 2):
        out = tmp_path / f"ranks_{ranks}"
        finish(command_line(TRAIN, recipe, *given, f"run.output_dir={out}", ranks=ranks))
    one, two = (tmp_path / f"ranks_{ranks}" for ranks in (1, 2))
    expected = read_checkpoint(one / "last.pt").model
    for name, tensor in read_checkpoint(two / "last.pt").model.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-6)
    lines = [(out / "predictions.csv").read_text().splitlines() for out in (one, two)]
    files = [[line.split(",")[0] for line in part] for part in lines]
    assert files[0] == files[1]
    assert len(set(files[1][1:])) == 12  # of 3 classes, 4 each
    scores = [json.loads((out / "evaluation.json").read_text())["scores"] for out in (one, two)]
    assert scores[0]["val/top1"] == scores[1]["val/top1"]
