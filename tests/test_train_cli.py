"""Training through the command line: what a run leaves behind, what is refused, and how a detector
is fine-tuned.
"""

import importlib.metadata
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
import torchvision
from classifier_checkpoint import MEAN, TINY_NETWORK, save_classifier, tiny_classifier
from command_line import (
    TRAIN,
    FinishedRun,
    Running,
    Tools,
    command_line,
    metrics,
    table,
    write_settings,
)
from PIL import Image

from tasks.detection.config import DetectionConfig
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.config import load_config
from tasks.metrics_file import read_metrics

PICTURES = {"curves.png", "predictions.png", "samples.png"}
RESULTS = {"metrics.jsonl", "tensorboard", "detections.json", "evaluation.json", "report.html"}
FOLDER = (
    {"config.yaml", "label_map.json", "environment.json", "last.pt", "best.pt"}
    | {"report.html", ".ended.json"}
    | PICTURES
    | RESULTS
)


def test_the_folder_holds_everything(finished_run: FinishedRun) -> None:
    folder = finished_run.folder
    assert {path.name for path in folder.iterdir()} == FOLDER
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300
    assert any(path.name.startswith("events") for path in (folder / "tensorboard").iterdir())
    written = load_config(DetectionConfig, folder / "config.yaml", [])
    settings, *overrides = finished_run.arguments
    assert written == load_config(
        DetectionConfig, settings, [*overrides, f"run.output_dir={folder}"]
    )
    names = ["circle", "square", "triangle", "star", "ring"]
    assert json.loads((folder / "label_map.json").read_text())["names"] == names
    (environment,) = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["torch"] == importlib.metadata.version("torch")
    assert environment["command"][1:3] == [TRAIN, settings]


def test_the_log_has_losses_speed_and_scores(finished_run: FinishedRun) -> None:
    rows = read_metrics(finished_run.folder / "metrics.jsonl")
    for row in rows:
        parts = [row[f"loss/{name}"] for name in ("rpn/class", "rpn/box", "roi/class", "roi/box")]
        assert row["loss"] == pytest.approx(sum(parts))
        assert row["images_per_s"] > 0
        assert 0 <= row["data_share"] <= 1
    assert [row["step"] for row in rows if "box/AP" in row] == [8, 14]
    assert [row["weights"] for row in rows if row.get("val/loss", 0) > 0] == ["ema", "ema"]
    scores = json.loads((finished_run.folder / "evaluation.json").read_text())["scores"]
    assert scores == {key: rows[-1][key] for key in scores}


def test_a_finished_run_is_not_trained_again_but_shown(
    finished_run: FinishedRun, tools: Tools, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished_run.folder, tmp_path / "copy", copy_function=os.link)
    answer = tools(TRAIN, *finished_run.arguments, f"run.output_dir={copy}", "run.resume=auto")
    assert answer.status == 0
    assert table(answer.output) == table(finished_run.printed)
    assert "step 14/14" not in answer.output
    assert metrics(copy) == metrics(finished_run.folder)
    assert (copy / "last.pt").samefile(finished_run.folder / "last.pt"), "it was not written again"


REFUSALS = {
    "unknown key": (
        "data.batchsize=4",
        "data.batchsize is not a setting, .*did you mean data.batch_size?",
    ),
    "wrong type": (
        "schedule.steps=many",
        "schedule.steps must be a whole number, got 'many' in override",
    ),
    "no value": (
        "data.batch_size",
        "an override must read section.key=value, got 'data.batch_size'",
    ),
    "no data": ("data.root=nowhere", "nowhere/train2017.*nowhere/annotations/instances_train.json"),
    "backbone": (
        "model.backbone=resnet81",
        "must be a known name, got 'resnet81'; did you mean .*resnet18",
    ),
    "batch size": (
        "data.batch_size=5 optim.accumulate=2",
        "data.batch_size .*must divide by .*got 5; try 4",
    ),
    "no weights": (
        "model.weights=nowhere.pth",
        "must be an existing file.*got nowhere.pth.*model.weights=null",
    ),
    "device": ("run.device=tpu", "run.device must be auto, cpu, cuda or cuda:N, got 'tpu'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_with_a_sentence(case: str, tools: Tools, shapes: Path, tmp_path: Path) -> None:
    overrides, sentence = REFUSALS[case]
    assert_refused(
        tools,
        sentence,
        write_settings(tmp_path, shapes),
        *overrides.split(),
        f"run.output_dir={tmp_path}/run",
    )
    assert not (tmp_path / "run").exists(), "the folder stays unused"


def assert_refused(tools: Tools, sentence: str, *arguments: object) -> None:
    """Exit status 2 and one line of explanation."""
    answer = tools(TRAIN, *arguments)
    assert answer.status == 2, answer.output + answer.error
    assert answer.error.startswith("error: ")
    assert answer.error.count("\n") == 1
    assert "Traceback" not in answer.error
    assert re.search(sentence, answer.error), answer.error


@pytest.mark.slow
def test_a_refusal_of_one_rank_is_that_of_all(shapes: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_text("no tensors")
    arguments = (
        write_settings(tmp_path, shapes),
        f"run.output_dir={tmp_path}/run",
        f"model.weights={weights}",
    )
    running = Running(command_line(TRAIN, *arguments, ranks=2))
    assert running.end() != 0
    assert running.printed.count(f"error: weights {weights} must be a .safetensors file") >= 1
    assert "[rank" not in running.printed, "torch's mark of a traceback"


def test_a_used_folder_is_refused(finished_run: FinishedRun, tools: Tools) -> None:
    sentence = (
        "run.output_dir must be unused, got .* which holds config.yaml, .*; run.resume=auto"
        " continues that run"
    )
    assert_refused(
        tools, sentence, *finished_run.arguments, f"run.output_dir={finished_run.folder}"
    )


def test_a_resume_that_changes_the_learning_rate_is_refused(
    finished_run: FinishedRun, tools: Tools
) -> None:
    arguments = (
        *finished_run.arguments,
        f"run.output_dir={finished_run.folder}",
        "run.resume=auto",
        "optim.lr=0.5",
    )
    assert_refused(
        tools, "a resumed run must keep its settings, but .* optim.lr=0.01, now 0.5", *arguments
    )


def test_a_resume_on_other_data_is_refused(
    finished_run: FinishedRun, tools: Tools, shapes: Path
) -> None:
    other = [
        f"data.train.images={shapes / 'val'}",
        f"data.train.annotations={shapes}/annotations/instances_val.json",
    ]
    arguments = (
        *finished_run.arguments,
        f"run.output_dir={finished_run.folder}",
        "run.resume=auto",
        *other,
    )
    assert_refused(
        tools,
        "a resumed run must keep its data, but since .*last.pt these have changed: the number of"
        r" images of the training data \(24, now",
        *arguments,
    )


def test_weights_of_another_network_are_refused(tools: Tools, shapes: Path, tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34.pth")
    arguments = (
        write_settings(tmp_path, shapes),
        f"model.weights={tmp_path / 'resnet34.pth'}",
        "model.norm=frozen",
    )
    sentence = (
        r"weights .*resnet34.pth must hold the 100 tensors that resnet18 needs, finite .*and none"
        r" of another network"
    )
    assert_refused(tools, sentence, *arguments, f"run.output_dir={tmp_path}/run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there_is_refused(tools: Tools, shapes: Path, tmp_path: Path) -> None:
    arguments = (
        write_settings(tmp_path, shapes),
        "run.device=cuda",
        f"run.output_dir={tmp_path}/run",
    )
    assert_refused(
        tools,
        "run.device needs cuda:0, but torch sees 0 GPUs here; run.device=cpu always works",
        *arguments,
    )


def test_weights_that_cannot_be_downloaded_are_refused(
    tools: Tools, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing was downloaded before
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # and nothing can be
    settings = write_settings(tmp_path, shapes)
    weights = ("model.weights=torchvision:resnet18.IMAGENET1K_V1", "model.norm=frozen")
    sentence = (
        "could not be downloaded .*; give the path of a local .* or model.weights=null to start"
        " from scratch"
    )
    assert_refused(tools, sentence, settings, *weights, f"run.output_dir={tmp_path}/run")


@pytest.mark.parametrize("metric", ["mAP", "val/loss", "train/box/AP", "box/AP/unicorn"])
def test_a_best_metric_that_no_evaluation_gives_is_refused_before_training(
    tools: Tools, shapes: Path, tmp_path: Path, metric: str
) -> None:
    run = tmp_path / "run"
    arguments = (write_settings(tmp_path, shapes), f"run.output_dir={run}")
    sentence = f"run.best_metric must be one of box/AP, .*, got '{metric}'"
    assert_refused(tools, sentence, *arguments, f"run.best_metric={metric}")
    assert not run.exists()


def test_the_training_split_is_scored_too(tools: Tools, shapes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = ("schedule.steps=1", "run.eval_sets=[val,train]", "run.best_metric=train/box/AR100")
    answer = tools(TRAIN, write_settings(tmp_path, shapes), f"run.output_dir={run}", *settings)
    assert answer.status == 0, answer.error
    assert "step 1  train/box/AR100" in answer.output
    scores = read_metrics(run / "metrics.jsonl")[-1]
    assert {"box/AP", "val/loss", "train/box/AP", "train/loss"} <= scores.keys()


def test_fine_tuning_keeps_all_but_the_predictors_of_new_classes(
    finished_run: FinishedRun, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    data = [
        f"data.{split}.annotations={relabelled(shapes, split, tmp_path)}"
        for split in ("train", "val")
    ]
    data += [f"data.{split}.images={shapes / split}" for split in ("train", "val")]
    arguments = (write_settings(tmp_path, shapes), *data, "schedule.steps=1", "optim.lr=1e-12")
    answer = tools(
        TRAIN, *arguments, f"model.weights={finished_run.folder}", f"run.output_dir={tmp_path}/run"
    )
    assert answer.status == 0, answer.error
    assert "2 classes keep their predictor (star, ring); 1 reinitialised (disc)" in answer.output
    old, new = (
        read_checkpoint(finished_run.folder / "best.pt").weights(),
        read_checkpoint(tmp_path / "run").model,
    )
    predictors = [name for name in new if name.startswith(("box_head.classes", "box_head.offsets"))]
    assert [
        name for name in new if name not in predictors and not close(new[name], old[name])
    ] == []
    rows = new["box_head.classes.weight"], old["box_head.classes.weight"]
    assert close(rows[0][[0, 2, 3]], rows[1][[3, 4, 5]])  # star, ring and background
    assert not close(rows[0][1], rows[1][0])
    rows = (
        new["box_head.offsets.weight"].view(3, 4, -1),
        old["box_head.offsets.weight"].view(5, 4, -1),
    )
    assert close(rows[0][[0, 2]], rows[1][[3, 4]])


def test_the_run_of_a_classifier_gives_the_backbone(
    tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    trained = save_classifier(tmp_path / "classifier", tiny_classifier())
    arguments = (
        write_settings(tmp_path, shapes),
        f"model.weights={trained}",
        f"model.backbone={TINY_NETWORK}",
        "model.norm=auto",
        "schedule.steps=1",
        f"run.output_dir={tmp_path}/run",
    )
    answer = tools(TRAIN, *arguments)
    assert answer.status == 0, answer.error
    assert f"weights {trained / 'best.pt'}: " in answer.output
    assert "note: from a checkpoint of classification, step 7" in answer.output
    saved = read_checkpoint(tmp_path / "run")
    assert saved.metadata["passport"]["mean"] == list(MEAN)
    stem = tiny_classifier().state_dict()["conv1.0.weight"]  # which is not trained
    assert torch.equal(saved.model["backbone.conv1.0.weight"], stem)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-8)


def relabelled(shapes: Path, split: str, folder: Path) -> Path:
    """Annotations of a split with the classes star (id 30), disc (the circles, id 50) and ring (id
    70) only.
    """
    content = json.loads((shapes / "annotations" / f"instances_{split}.json").read_text())
    ids = {entry["name"]: entry["id"] for entry in content["categories"]}
    new = {ids["star"]: 30, ids["circle"]: 50, ids["ring"]: 70}
    content["annotations"] = [
        {**entry, "category_id": new[entry["category_id"]]}
        for entry in content["annotations"]
        if entry["category_id"] in new
    ]
    content["categories"] = [
        {"id": 30, "name": "star"},
        {"id": 50, "name": "disc"},
        {"id": 70, "name": "ring"},
    ]
    (folder / f"{split}.json").write_text(json.dumps(content))
    return folder / f"{split}.json"


def test_a_detector_of_another_shape_is_refused_as_weights(
    finished_run: FinishedRun, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    weights = f"model.weights={finished_run.folder / 'best.pt'}"
    arguments = (
        write_settings(tmp_path, shapes),
        weights,
        "model.pyramid_channels=32",
        f"run.output_dir={tmp_path}/run",
    )
    sentence = (
        r"model.weights is a detector of another architecture, \d+ tensors do not fit:"
        r" .*model.pyramid_channels"
    )
    assert_refused(tools, sentence, *arguments)


def test_the_report_is_of_the_last_scores_and_has_the_curves(finished_run: FinishedRun) -> None:
    page = (finished_run.folder / "report.html").read_text()
    scores = json.loads((finished_run.folder / "evaluation.json").read_text())["scores"]
    assert f"<span>AP50</span><b>{100 * scores['box/AP50']:.1f}</b>" in page
    assert "<figcaption>Loss</figcaption>" in page
    assert f"Report       {finished_run.folder / 'report.html'}" in finished_run.printed
