"""Two ranks train and score what one does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import command_line, finish
from PIL import Image
from tiny_segmenter import arguments, write_masks

from tasks.engine.checkpoint import read_checkpoint

TRAIN = "tools/train_seg.py"
SHORT = {"schedule__steps": 3, "schedule__reference_steps": 3}
SGD = {"optim__name": "sgd", "optim__lr": 0.02}  # AdamW magnifies roundings
LOSSES = {"loss__dice": 0.5, "loss__class_weights": "[0.5,1,2]"}


@pytest.mark.parametrize("ignored", [False, True])
def test_two_ranks_equal_one(tmp_path: Path, ignored: bool) -> None:
    """Also where most images are all ignored, so that a rank has none that counts."""
    root = write_masks(tmp_path / "data")
    for file in sorted((root / "train" / "masks").iterdir())[: 6 if ignored else 0]:
        Image.fromarray(np.full((48, 64), 255, np.uint8)).save(file)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("task: segmentation\n")
    given = arguments(root, **SHORT, **SGD, **LOSSES)
    outs = [tmp_path / f"ranks_{ranks}" for ranks in (1, 2)]
    for ranks, out in enumerate(outs, 1):
        finish(command_line(TRAIN, recipe, *given, f"run.output_dir={out}", ranks=ranks))
    one, two = (read_checkpoint(out / "last.pt").model for out in outs)
    for name, tensor in two.items():
        torch.testing.assert_close(tensor, one[name], rtol=1e-4, atol=1e-5)
    counts = [np.load(out / "pixels.npz")["image_ids"].tolist() for out in outs]
    assert counts == [[1, 2, 3, 4]] * 2
    scores = [json.loads((out / "evaluation.json").read_text())["scores"] for out in outs]
    assert scores[0]["val/loss"] == pytest.approx(scores[1]["val/loss"], rel=1e-4)
