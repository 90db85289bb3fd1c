"""A classifier's training, end to end and step by step."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_classifier import tiny_config
from torch import nn
from torchvision.models import resnet18

import resnet_backbones
from resnet_backbones.errors import UserError
from tasks.classification.build import build_classifier
from tasks.classification.data.files import TrainReader
from tasks.classification.data.read_sets import hold_out, read_split
from tasks.classification.evaluate_saved import evaluate_checkpoint
from tasks.classification.losses import ClassificationObjective
from tasks.classification.network import mean_colour
from tasks.classification.predict import load_classifier
from tasks.classification.saved import SavedClassifier
from tasks.classification.train import run
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import Start, launch
from tasks.engine.optim import build_optimizer
from tasks.engine.sampling import repeated_batch
from tasks.images import Pixels
from tasks.metrics_file import read_metrics


def test_a_run_leaves_its_files(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names >= {
        "best.pt",
        "last.pt",
        "config.yaml",
        "metrics.jsonl",
        "label_map.json",
        "evaluation.json",
        "predictions.csv",
        "weights.safetensors",
        "report.html",
        "curves.png",
    }


def test_loss_falls(trained: Path) -> None:
    losses = [row["loss"] for row in read_metrics(trained / "metrics.jsonl") if "loss" in row]
    assert losses[-1] < 0.8 * losses[0]


def test_weights_file_is_the_best_average_with_a_full_passport(trained: Path) -> None:
    classifier = resnet_backbones.load_classifier(str(trained / "weights.safetensors"))
    saved = SavedClassifier.read(trained)
    for name, tensor in saved.checkpoint.weights().items():
        assert torch.equal(classifier.state_dict()[name], tensor)
    passport = classifier.backbone.passport
    assert passport.label_map == ("blue", "green", "red")
    assert (passport.resize_size, passport.crop_size) == (None, 24)
    assert passport.recipe.startswith("classification")


def test_eval_repeats_the_scores_of_training(trained: Path, tmp_path: Path) -> None:
    sheet = evaluate_checkpoint(trained / "last.pt", [], tmp_path)
    assert sheet is not None
    trained_scores = json.loads((trained / "evaluation.json").read_text())["scores"]
    assert sheet.scores["val/top1"] == trained_scores["val/top1"]
    assert sheet.scores["val/loss"] == pytest.approx(trained_scores["val/loss"], abs=1e-6)


def test_predictor_names_the_colour(trained: Path) -> None:
    classifier = load_classifier(trained, precision="fp32")
    red: Pixels = np.full((24, 24, 3), (210, 40, 30), dtype=np.uint8)
    found, other = classifier([red, red[:, :, ::-1].copy()])
    assert (found.name, other.name) == ("red", "blue")
    assert found.top(2)[0] == ("red", found.probability)
    assert found.probabilities.sum() == pytest.approx(1.0)
    assert found.plot().shape[2] == 3
    assert found.to_records(7)[0]["image_id"] == 7


def test_one_step_is_that_of_a_plain_torch_loop(folders: Path) -> None:
    """Loss, gradients and updated weights, with torchvision's model and torch's own functions."""
    config = tiny_config(folders, model__backbone="resnet18", augment__flip=0, augment__pad=0)
    images = read_split(config.data, "train")
    torch.manual_seed(0)
    model, _ = build_classifier(config, images.label_map, Start(None))
    theirs = resnet18(num_classes=3)
    theirs.load_state_dict(model.state_dict())

    reader = TrainReader(images, config, mean_colour(model.backbone.passport))
    plan_batch = reader(_plan(config, images))
    objective = ClassificationObjective(model, config.loss, config.augment).train()
    loss = objective(plan_batch)["class"]
    loss.backward()
    optimizer = build_optimizer(model, config.optim)
    for group in optimizer.param_groups:
        group["lr"] = 0.05
    optimizer.step()

    places = repeated_batch(0, np.zeros(len(images), dtype=np.int64), 6, 0, 1)[0]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    pixels = [torch.from_numpy(_pixels(images, place)) for place in places.tolist()]
    batch = torch.stack([(x.permute(2, 0, 1) / 255 - mean) / std for x in pixels])
    expected = nn.functional.cross_entropy(
        theirs.train()(batch), torch.from_numpy(images.labels[places])
    )
    expected.backward()
    norms = {
        id(x)
        for part in theirs.modules()
        if isinstance(part, nn.BatchNorm2d)
        for x in part.parameters()
    }
    plain = torch.optim.SGD(
        [
            {"params": [x for x in theirs.parameters() if id(x) not in norms]},
            {"params": [x for x in theirs.parameters() if id(x) in norms], "weight_decay": 0.0},
        ],
        lr=0.05,
        momentum=0.9,
        weight_decay=1e-4,
    )
    torch.testing.assert_close(loss, expected)
    for ours, other in zip(model.parameters(), theirs.parameters(), strict=True):
        assert ours.grad is not None
        assert other.grad is not None
        # one cell is left of c5, whose batch norms see six values and amplify the last digits
        assert (ours.grad - other.grad).norm() <= 1e-3 * other.grad.norm() + 1e-7
    plain.step()
    state = theirs.state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-4, atol=3e-5)


def _plan(config, images):  # type: ignore[no-untyped-def]
    from tasks.classification.data.draws import draw_plan

    return draw_plan(0, len(images), config.batch_size, 0, config.augment)


def _pixels(images, place):  # type: ignore[no-untyped-def]
    from tasks.images import decode

    return decode(images.read(place))


def test_hold_out_shares_no_image_with_what_is_left(folders: Path) -> None:
    images = read_split(tiny_config(folders).data, "train")
    left, held = hold_out(images, 5, seed=3)
    names = [[part.name(place) for place in range(len(part))] for part in (left, held)]
    assert len(names[1]) == 5
    assert sorted([*names[0], *names[1]]) == sorted(images.name(i) for i in range(len(images)))
    again = hold_out(images, 5, seed=3)[1]
    assert [again.name(place) for place in range(5)] == names[1]


def test_other_mean_than_the_weights_is_refused(
    trained: Path, folders: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        folders,
        tmp_path / "run",
        model__weights=trained / "weights.safetensors",
        data__mean="[0.5,0.5,0.5]",
        data__std="[0.5,0.5,0.5]",
    )
    with pytest.raises(UserError, match=r"data\.mean and data\.std must be null"):
        launch(config, run)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_says_what_data_it_is_of(trained: Path) -> None:
    data = read_checkpoint(trained / "last.pt").metadata["data"]
    known = {"images", "sha256", "pixels"}
    assert data.keys() == {*known, "val"}
    assert data["val"].keys() == {*known, "limit"}


def test_a_run_with_other_norms_is_no_start(trained: Path, folders: Path, tmp_path: Path) -> None:
    """field_faults 17: its running statistics would be left over."""
    given = {"model__norm": "group", "model__weights": trained}
    rule = rf"{trained}/best\.pt was trained with model\.norm=batch, got model\.norm=group"
    with pytest.raises(UserError, match=rule):
        launch(tiny_config(folders, tmp_path / "run", **given), run)
