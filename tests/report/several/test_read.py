"""What a run's folder tells, by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import write_run

from resnet_backbones.errors import UserError
from tasks.report.compare import as_written
from tasks.report.several.read import OneRun, is_run, named_task, read_run

ROWS = [
    {"step": 10, "loss": 2.0, "images_per_s": 20.0, "memory_gb": 3.0},
    {"step": 30, "loss": 1.0, "images_per_s": 40.0, "memory_gb": 3.5},
    {"step": 30, "box/AP": 0.25, "weights": "model"},
]


def read(folder: Path) -> OneRun:
    return read_run(folder, as_written)


def test_speed_and_time_are_of_all_steps(tmp_path: Path) -> None:
    """10 steps of 4 images at 20 a second are 2 s, and 20 steps at 40 are 2 s more."""
    run = read(write_run(tmp_path / "a", rows=ROWS, data={"batch_size": 4}))
    assert run.seconds == pytest.approx(4)
    assert run.images_per_s == pytest.approx(30)
    assert run.memory_gb == 3.5


def test_steps_are_those_taken_of_those_asked_for(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "a", rows=ROWS, schedule={"steps": 400, "minutes": None}))
    assert (run.step, run.total) == (30, 400)


def test_a_run_that_time_ends_has_no_total(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "a", rows=ROWS, schedule={"steps": 400, "minutes": 5}))
    assert run.total is None


def test_a_run_that_has_just_begun_tells_nothing(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "a"))
    assert (run.step, run.images_per_s, run.seconds, run.memory_gb) == (None,) * 4
    assert run.scores == {}


@pytest.mark.parametrize(
    ("command", "recipe"),
    [
        (["python", "/bin/backbones", "train", "quickstart", "optim.lr=1"], "quickstart"),
        (["python", "backbones", "train", "--force", "a/my.yaml", "--x"], "my"),
        (["python", "tools/train_seg.py", "configs/fcn.yaml"], "fcn"),
        (["python", "tools/train_det.py", "data.root=a"], ""),
        (["python", "mine.py"], ""),
    ],
)
def test_the_recipe_is_in_the_command(tmp_path: Path, command: list[str], recipe: str) -> None:
    assert read(write_run(tmp_path / "a", command=command)).recipe == recipe


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"backbone": "resnet18"}, "resnet18"),
        ({"backbone": "resnet18", "head": {"kind": "fpn"}}, "Semantic FPN, resnet18"),
    ],
)
def test_the_model_is_head_and_backbone(tmp_path: Path, model: Any, words: str) -> None:
    assert read(write_run(tmp_path / "a", model=model)).model == words


def test_scores_are_those_of_the_evaluation_that_are_defined(tmp_path: Path) -> None:
    scores = {"box/AP": 0.5, "box/APl": None}
    assert read(write_run(tmp_path / "a", rows=ROWS, scores=scores)).scores == {"box/AP": 0.5}


def test_without_an_evaluation_scores_are_those_of_the_last_row_with_some(tmp_path: Path) -> None:
    assert read(write_run(tmp_path / "a", rows=ROWS)).scores["box/AP"] == 0.25


def test_the_data_set_is_known_by_its_name_and_counts(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "a", scores={"box/AP": 0.5}))
    assert run.scored_on == "annotations/val.json (12 images)"


def test_an_evaluation_of_results_has_no_settings(tmp_path: Path) -> None:
    evaluation = {"annotations": "val.json", "scores": {"box/AP": 0.5}}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    run = read(tmp_path)
    assert (run.settings, run.model, run.step) == (None, "", None)
    assert is_run(tmp_path)
    assert named_task(tmp_path) is None


def test_the_task_is_named_before_the_first_evaluation(tmp_path: Path) -> None:
    assert named_task(write_run(tmp_path / "a")) == "detection"


def test_a_folder_of_other_files_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    assert not is_run(tmp_path)
    assert not is_run(tmp_path / "notes.txt")


@pytest.mark.parametrize("text", ["a: [", "- a", "\0"])
def test_damaged_settings_are_named(tmp_path: Path, text: str) -> None:
    folder = write_run(tmp_path / "a")
    (folder / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"a/config\.yaml must hold the settings of a run"):
        named_task(folder)
