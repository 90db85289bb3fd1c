"""`backbones train` and tools/train_det.py: which task, which settings, and what help shows."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from command_line import TRAIN, Commands, Tools, write_settings

from tasks.cli.registry import TASKS, Lazy, Task
from tasks.engine.doctor import Limits

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_all_that_a_task_names_is_there(task: Task) -> None:
    entries = [value for value in vars(task).values() if isinstance(value, Lazy)]
    assert len(entries) >= 7
    for entry in entries:
        assert callable(entry.load())
    assert task.settings().task == task.name


def test_a_recipe_without_a_task_is_told_the_line_to_add(
    commands: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("optim: {lr: 0.1}\n")
    answer = commands("train", file)
    assert answer.status == 2
    assert "a recipe must name its task, one of detection" in answer.error
    assert "add the line `task: detection` at its top" in answer.error


def test_an_unknown_task_is_answered_with_the_known(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("task: detektion\n")
    answer = commands("train", file)
    assert answer.status == 2
    rule = "task must be one of detection, segmentation, classification, got 'detektion' in"
    assert f"error: {rule} {file}; did you mean detection?" in answer.error


def test_the_tool_stands_for_the_task_of_a_file_without_one(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {root: nowhere}\n")
    answer = tools(TRAIN, file)
    assert answer.status == 2
    assert "no images and annotations for the train split" in answer.error


def test_the_tool_refuses_a_recipe_of_another_task(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "painting", replace(TASKS["detection"], name="painting"))
    file = tmp_path / "mine.yaml"
    file.write_text("task: painting\n")
    answer = tools(TRAIN, file)
    assert answer.status == 2
    assert f"this command trains detection, got a recipe of painting, {file}" in answer.error


@pytest.mark.parametrize("words", [["quickstart", "--help"], ["--help", "quickstart"]])
def test_help_of_a_recipe_shows_its_values(commands: Commands, words: list[str]) -> None:
    answer = commands("train", *words, "optim.lr=0.5")
    assert answer.status == 0, answer.error
    assert "settings of quickstart:" in answer.output
    assert "  data.root = data/shapes  (a text or null)" in answer.output
    assert "  optim.lr = 0.5  (a number)" in answer.output


def test_help_of_the_command_says_so_and_claims_no_override(commands: Commands) -> None:
    answer = commands("train", "--help")
    assert "backbones train quickstart --help" in answer.output
    assert "optim.lr =" not in answer.output
    assert "usage: backbones train RECIPE [section.key=value ...]" in answer.output


def test_help_of_the_tool_shows_the_tasks_defaults_or_the_recipes(tools: Tools) -> None:
    assert "settings, with their defaults:" in tools(TRAIN, "--help").output
    assert "  data.root = null" in tools(TRAIN, "--help").output
    assert "  data.root = data/shapes" in tools(TRAIN, "configs/quickstart.yaml", "--help").output


def test_the_doctor_of_a_detector_times_every_stage_and_leaves_nothing(
    tools: Tools, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engine.doctor.Limits", partial(Limits, batches=3))
    file = write_settings(tmp_path, shapes)
    answer = tools(TRAIN, file, "--doctor", f"run.output_dir={tmp_path}/run")
    assert answer.status == 0, answer.error
    lines = answer.output.splitlines()
    timed = [line for line in lines if line.endswith(" 3")]
    names = ["decode", "augment", "collate", "loading", "copy", "model"]
    assert [line.split()[0] for line in timed] == names
    assert lines[-1].startswith("the model limits: ")
    assert list(tmp_path.iterdir()) == [file]
