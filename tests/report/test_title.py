"""The head of a report: model, data, recipe, steps and date, as far as a folder tells them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.report.title import find_recipe, report_title

START = {
    "started": "2026-03-01T10:00:00+00:00",
    "command": ["python", "backbones", "train", "mine"],
}
SETTINGS = "data: {root: data/shapes}\nmodel: {backbone: resnet18}\n"


def title_of(
    folder: Path,
    *,
    data: str = "data/shapes/annotations/val.json",
    settings: str = SETTINGS,
    starts: list[dict[str, Any]] | None = None,
    **evaluation: object,
) -> str:
    """The title of a folder with these files; its evaluation has 400 steps and is of boxes."""
    said = {"task": "detection", "step": 400, **evaluation}
    (folder / "evaluation.json").write_text(json.dumps(said))
    (folder / "config.yaml").write_text(settings)
    (folder / "environment.json").write_text(json.dumps([START] if starts is None else starts))
    return str(report_title(folder, data))


def test_a_run_is_named_by_model_data_recipe_steps_and_date(tmp_path: Path) -> None:
    expected = "Faster R-CNN, resnet18 on shapes, recipe mine, 400 steps, trained 2026-03-01"
    assert title_of(tmp_path) == expected


def test_an_evaluation_of_a_run_takes_recipe_and_date_from_it(tmp_path: Path) -> None:
    title_of(tmp_path)
    folder = tmp_path / "evaluation"
    folder.mkdir()
    said = {"task": "detection", "step": 90, "settings": {"model": {"backbone": "resnet34"}}}
    (folder / "evaluation.json").write_text(json.dumps(said))
    expected = "Faster R-CNN, resnet34 on val.json, recipe mine, 90 steps, trained 2026-03-01"
    assert str(report_title(folder, "elsewhere/val.json")) == expected


def test_an_evaluation_elsewhere_takes_them_from_the_checkpoints_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    title_of(run)
    out = tmp_path / "a" / "b"
    out.mkdir(parents=True)
    said = {"checkpoint": str(run / "best.pt"), "step": 5}
    (out / "evaluation.json").write_text(json.dumps(said))
    assert str(report_title(out, "val.json")).endswith("recipe mine, 5 steps, trained 2026-03-01")


def test_results_of_others_are_named_by_their_file(tmp_path: Path) -> None:
    said = {"task": "detection", "results": "/theirs/found.json", "images": 3}
    (tmp_path / "evaluation.json").write_text(json.dumps(said))
    assert str(report_title(tmp_path, "coco/annotations/val.json")) == "found.json on val.json"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("fpn", "Semantic FPN"), ("fcn", "FCN"), ("deeplabv3plus", "DeepLabV3+")],
)
def test_a_segmenter_is_named_by_its_head(tmp_path: Path, kind: str, name: str) -> None:
    settings = f"model: {{backbone: resnet50, head: {{kind: {kind}}}}}\n"
    title = title_of(tmp_path, settings=settings, task="segmentation")
    assert title.startswith(f"{name}, resnet50 on ")


def test_a_classifier_is_named_by_its_backbone(tmp_path: Path) -> None:
    title = title_of(tmp_path, task="classification", data="/cifar10/val", settings=SETTINGS)
    assert title.startswith("resnet18 on cifar10, ")


@pytest.mark.parametrize("settings", ["", "a: [", "- 1"])
def test_a_folder_without_readable_settings_is_named_by_its_task(
    tmp_path: Path, settings: str
) -> None:
    title = title_of(tmp_path, settings=settings, starts=[], data="a/test.json")
    assert title == "Detection on test.json, 400 steps"


@pytest.mark.parametrize(
    ("command", "recipe"),
    [
        ("python .venv/bin/backbones train quickstart run.resume=auto", "quickstart"),
        ("torchrun --no-python --nproc-per-node 8 backbones train configs/my.yaml", "my"),
        ("python tools/train_det.py optim.lr=0.1 configs/a_b.yaml", "a_b"),
        ("backbones train --doctor quickstart", "quickstart"),
        ("python notebook.py", ""),
        ("backbones train", ""),
        ("", ""),
    ],
)
def test_the_recipe_is_read_off_the_command_line(command: str, recipe: str) -> None:
    assert find_recipe(command.split()) == recipe
