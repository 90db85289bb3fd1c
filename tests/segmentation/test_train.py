"""A segmenter's training and use, end to end."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks
from tiny_segmenter import tiny_config

import resnet_backbones
from resnet_backbones.errors import UserError
from resnet_backbones.weights.saving import save_weights
from tasks import load
from tasks.cli.registry import TASKS
from tasks.cli.report import compare
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.digest import digest_of
from tasks.engine.launch import Start, launch
from tasks.labels import LabelMap
from tasks.metrics_file import read_metrics
from tasks.report.segmentation.build import remake_report
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.evaluate_saved import evaluate_checkpoint
from tasks.segmentation.predict import load_segmenter
from tasks.segmentation.predict_files import predict_files
from tasks.segmentation.saved import export_backbone
from tasks.segmentation.train import run


def test_a_run_leaves_its_files(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names >= {
        "best.pt",
        "last.pt",
        "config.yaml",
        "metrics.jsonl",
        "label_map.json",
        "evaluation.json",
        "pixels.npz",
        "predictions.png",
        "report.html",
        "curves.png",
    }


def test_loss_falls(trained: Path) -> None:
    losses = [row["loss"] for row in read_metrics(trained / "metrics.jsonl") if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]


def test_eval_repeats_the_scores_of_training(trained: Path, tmp_path: Path) -> None:
    sheet = evaluate_checkpoint(trained / "last.pt", [], tmp_path)
    assert sheet is not None
    scores = json.loads((trained / "evaluation.json").read_text())["scores"]
    assert sheet.scores["seg/mIoU"] == scores["seg/mIoU"]
    assert sheet.scores["val/loss"] == pytest.approx(scores["val/loss"], abs=1e-5)


def test_runs_are_reported_again_and_compared(trained: Path, tmp_path: Path) -> None:
    evaluate_checkpoint(trained / "last.pt", ["test.flip=true"], tmp_path)
    assert remake_report(tmp_path).is_file()
    assert "mIoU" in str(compare(TASKS["segmentation"], trained, tmp_path))


def test_mirror_images_and_scales_are_averaged(trained: Path, tmp_path: Path) -> None:
    views = ["test.flip=true", "test.scales=[1.0,1.5]"]
    sheet = evaluate_checkpoint(trained, views, tmp_path)
    assert sheet is not None
    assert sheet.scores["seg/mIoU"] > 0.7


def test_predictor_gives_labels(trained: Path, masks: Path, tmp_path: Path) -> None:
    segmenter = load(trained, precision="fp32")
    file = masks / "val" / "images" / "000.png"
    found = segmenter(str(file))
    truth = np.asarray(Image.open(masks / "val" / "masks" / "000.png"))
    assert found.labels.shape == truth.shape
    assert (found.labels == truth)[truth != 255].mean() > 0.9
    assert found.plot().shape == (*truth.shape, 3)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    found.save_labels(tmp_path / "labels.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "labels.png")), found.labels)
    for record in found.to_records(7):
        label = found.label_map.category_ids.index(record["category_id"])
        assert np.array_equal(coco_masks.decode(record["segmentation"]), found.labels == label)


def test_files_are_labelled(trained: Path, masks: Path, tmp_path: Path) -> None:
    segmenter = load(trained)
    folder = masks / "val" / "images"
    assert predict_files(segmenter, [folder], tmp_path / "out", report=lambda _: None) == ()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"000_overlay.jpg", "000_labels.png", "classes.json"} <= names
    with pytest.raises(UserError, match="--score is for detections"):
        predict_files(segmenter, [folder], tmp_path / "other", score=0.5)


def test_windows_as_large_as_the_image_change_nothing(trained: Path, masks: Path) -> None:
    file = masks / "val" / "images" / "001.png"
    whole = load(trained, precision="fp32")(str(file)).labels
    window = load_segmenter(trained, precision="fp32", overrides=["test.window=64"])(str(file))
    small = load_segmenter(trained, precision="fp32", overrides=["test.window=32"])(str(file))
    assert np.array_equal(window.labels, whole)
    assert (small.labels == whole).mean() > 0.7


def test_other_classes_keep_the_rows_of_those_with_the_same_name(trained: Path) -> None:
    names = ("red", "green", "ground")
    config = tiny_config(Path("nowhere")).model
    start = Start(read_checkpoint(trained / "best.pt"))
    model, report = make_segmenter(config, LabelMap(names, names), start)
    old = read_checkpoint(trained / "best.pt").weights()["head.predictor.weight"]
    assert torch.equal(model.head.predictor.weight[0], old[2])
    assert torch.equal(model.head.predictor.weight[2], old[0])
    assert "2 classes keep their predictor (red, ground)" in report


def test_its_backbone_is_exported(trained: Path, tmp_path: Path) -> None:
    export_backbone(trained, tmp_path / "backbone.safetensors")
    backbone = resnet_backbones.load_backbone(str(tmp_path / "backbone.safetensors"))
    state = read_checkpoint(trained / "best.pt").weights()
    assert torch.equal(backbone.state_dict()["conv1.weight"], state["backbone.conv1.weight"])


def test_a_classifier_of_ours_starts_it(masks: Path, tmp_path: Path) -> None:
    classifier = resnet_backbones.create_classifier("resnet18", num_classes=3, norm="group")
    passport = replace(classifier.backbone.passport, label_map=("a", "b", "c"))
    save_weights(tmp_path / "weights.safetensors", classifier.state_dict(), passport)
    config = tiny_config(
        masks,
        model__weights=tmp_path / "weights.safetensors",
        model__freeze_through="none",
    ).model
    names = ("x", "y")
    model, _ = make_segmenter(config, LabelMap(names, names), Start(None))
    own = model.backbone.state_dict()["layer1.0.conv1.weight"]
    assert torch.equal(own, classifier.backbone.state_dict()["layer1.0.conv1.weight"])


def test_a_checkpoint_says_what_data_it_is_of(trained: Path) -> None:
    data = read_checkpoint(trained / "last.pt").metadata["data"]
    known = {"images", "sha256", "pixels", "masks"}
    assert data.keys() == {*known, "val"}
    assert data["val"].keys() == {*known, "limit"}


def test_a_run_goes_on_in_another_folder_from_any_of_its_checkpoints(
    masks: Path, tmp_path: Path
) -> None:
    changes = {"run__keep_every": 2, "optim__ema_decay": 0.9}
    launch(tiny_config(masks, tmp_path / "straight", **changes), run)
    file = tmp_path / "straight" / "step_2.pt"
    launch(tiny_config(masks, tmp_path / "new", **changes, run__resume=file), run)
    expected = read_checkpoint(tmp_path / "straight" / "last.pt")
    got = read_checkpoint(tmp_path / "new" / "last.pt")
    assert digest_of([got.model, got.ema, got.optimizer]) == digest_of(
        [expected.model, expected.ema, expected.optimizer]
    )
