"""Weights of a whole network, scored by a recipe without a training.  N images, K classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import Answer, Commands
from tiny_segmenter import COLOURS, COUNTS, arguments, draw
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize
from torchvision_segmenter import torchvision_network

from resnet_backbones.registry import create_backbone

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
DEEPLAB = {
    "model__backbone": "resnet50",
    "model__norm": "sync",
    "model__head__kind": "deeplabv3",
    "model__head__norm": "sync",
    "model__head__auxiliary": 0.4,  # which the file does not have
}


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """torchvision's DeepLabV3 of as many classes as the masks have, which finds each somewhere."""
    network = torchvision_network("deeplabv3_resnet50", len(COLOURS), auxiliary=False)
    with torch.no_grad():
        means = logits_by_hand(network).mean((0, 2, 3))
        network.get_submodule("classifier.4").bias.sub_(means)
    return network


@pytest.fixture(scope="module")
def file(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file."""
    path = tmp_path_factory.mktemp("deeplab") / "file.pth"
    torch.save(theirs.state_dict(), path)
    return path


def score(
    commands: Commands, masks: Path, weights: object, folder: Path, **changes: object
) -> Answer:
    """What `backbones eval` answers to a recipe with weights; what it writes lies in `folder`."""
    recipe = folder / "recipe.yaml"
    recipe.write_text("task: segmentation\n")
    overrides = arguments(masks, model__weights=weights, run__output_dir=folder / "run", **changes)
    return commands("eval", recipe, *overrides, "--out", folder)


def scores_in(folder: Path) -> dict[str, float]:
    scores: dict[str, float] = json.loads((folder / "evaluation.json").read_text())["scores"]
    return scores


def logits_by_hand(network: nn.Module) -> Tensor:
    """Logits (N, K, 48, 64) of the validation images, filled with zeros to 64 x 64 as ours are."""
    drawn = [draw("val", number)[0] for number in range(COUNTS["val"])]
    pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    images = F.pad(normalize(pixels / 255, MEAN, STD), (0, 0, 0, 16))
    with torch.no_grad():
        logits: Tensor = network(images)["out"][:, :, :48]
    return logits


def test_torchvisions_file_scores_as_when_it_is_loaded_by_hand(
    theirs: nn.Module, file: Path, masks: Path, tmp_path: Path, commands: Commands
) -> None:
    answer = score(commands, masks, file, tmp_path, **DEEPLAB)
    assert answer.status == 0, answer.error
    assert "it does not name its 3 classes; those of the data are assumed" in answer.output
    truth = np.stack([draw("val", number)[1] for number in range(COUNTS["val"])])
    found = logits_by_hand(theirs).argmax(dim=1).numpy()
    assert len(np.unique(found)) == len(COLOURS)
    scores = scores_in(tmp_path)
    for label, name in enumerate(COLOURS):
        both = (truth == label) & (found == label)
        either = (truth == label) | ((found == label) & (truth != 255))
        expected = both.sum() / either.sum()
        assert scores[f"seg/mIoU/{name}"] == pytest.approx(expected, abs=2e-4), name


def test_a_checkpoint_scores_as_by_its_run(
    trained: Path, masks: Path, tmp_path: Path, commands: Commands
) -> None:
    score(commands, masks, trained, tmp_path)
    expected = json.loads((trained / "evaluation.json").read_text())["scores"]
    assert scores_in(tmp_path)["seg/mIoU"] == expected["seg/mIoU"]


@pytest.mark.parametrize("kind", ["none", "classes", "backbone"])
def test_what_has_no_rows_for_the_classes_is_refused(
    kind: str, file: Path, masks: Path, tmp_path: Path, commands: Commands
) -> None:
    weights: object = file
    changes = dict(DEEPLAB)
    expected = "got none; to score a run, give its folder"
    if kind == "none":
        weights = "null"
    elif kind == "classes":
        root = shutil.copytree(masks, tmp_path / "masks")
        (root / "classes.txt").write_text("ground\nblue\nred\ngreen\n")
        masks = root
        expected = "must have the 4 classes of the data, got 3 without names; set data."
    else:
        weights = tmp_path / "backbone.pth"
        torch.save(create_backbone("resnet18").state_dict(), weights)
        expected = "must be of a whole segmenter to be scored"
    answer = score(commands, masks, weights, tmp_path, **changes)
    assert answer.status == 2
    assert expected in answer.error
    assert not (tmp_path / "evaluation.json").exists()
