"""What docs/train.md, docs/classify.md and docs/segment.md say of settings and recipes is so."""

import re
from pathlib import Path

import pytest
from page_blocks import PAGES, ROOT

from tasks.classification.config import ClassificationConfig
from tasks.cli.recipes import list_recipes
from tasks.detection.config import DetectionConfig, ModelConfig
from tasks.engine.config import to_dict
from tasks.engine.nested_values import flatten
from tasks.engine.setting_declarations import changeable
from tasks.engine.settings import ScheduleConfig, TaskSettings
from tasks.segmentation.config import SegmentationConfig

LONGEST = 104
"""Characters of a line of code that the site shows without scrolling, at 1280 pixels."""
DOCS = Path(__file__).resolve().parents[1] / "docs"
TRAIN = DOCS / "train.md"
CLASSIFY = DOCS / "classify.md"
SEGMENT = DOCS / "segment.md"


def named_settings(heading: str) -> set[str]:
    """Settings that a section of the page names."""
    section = TRAIN.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`((?:data|model|optim|schedule|run)\.[\w.]+)", section))


CONDITIONS = {
    "data.copy_paste",
    "model.weights",
    "run.resume",
    "run.output_dir",
    "schedule.epochs",
    "schedule.name",
    "schedule.reference_steps",
    "schedule.steps",
    "schedule.warmup_until",
}
"""What the page names beside the settings that a resume may change."""


def test_the_settings_that_a_resume_may_change_are_those_that_the_page_names() -> None:
    named = named_settings("Stop and resume") - CONDITIONS
    every = {name for name, _ in flatten(to_dict(DetectionConfig())) if name.startswith("run.")}
    model = ModelConfig(norm="group")  # with which optim.accumulate may change
    may = set(changeable(DetectionConfig(model=model)))
    plateau = DetectionConfig(model=model, schedule=ScheduleConfig(name="plateau"))
    kept_by_plateau = may - set(changeable(plateau))
    by_score = DetectionConfig(model=model, schedule=ScheduleConfig(warmup_until=0.1))
    assert may - set(changeable(by_score)) == kept_by_plateau
    assert kept_by_plateau == {"run.eval_every", "run.best_metric"}
    assert named == {name for name in may if name not in every} | (every - may) | kept_by_plateau


def test_every_setting_that_the_page_names_is_one() -> None:
    known = {name for name, _ in flatten(to_dict(DetectionConfig()))}
    named = set(re.findall(r"`((?:data|model|optim|schedule|run)\.[\w.]*\w)", TRAIN.read_text()))
    assert named - known <= {"model.roi", "model.anchors"}


@pytest.mark.parametrize(
    ("page", "settings"), [(CLASSIFY, ClassificationConfig), (SEGMENT, SegmentationConfig)]
)
def test_every_setting_that_the_page_of_a_task_names_is_one(
    page: Path, settings: type[TaskSettings]
) -> None:
    known = {name for name, _ in flatten(to_dict(settings()))}
    sections = "data|augment|test|model|loss|optim|schedule|run"
    named = set(re.findall(rf"\b((?:{sections})\.[a-z][\w.]*\w)=", page.read_text()))
    quoted = set(re.findall(rf"`((?:{sections})\.[\w.]*\w)`", page.read_text()))
    assert (named | quoted) - known == set()
    assert named != set()


@pytest.mark.parametrize(
    ("task", "page"), [("classification", CLASSIFY), ("segmentation", SEGMENT)]
)
def test_the_page_of_a_task_names_each_of_its_recipes(task: str, page: Path) -> None:
    recipes = {recipe.name for recipe in list_recipes() if recipe.task == task}
    named = set(re.findall(r"\b\w+\b", page.read_text()))
    assert recipes - named == set()


@pytest.mark.parametrize("page", [CLASSIFY, SEGMENT])
def test_the_recipes_in_the_commands_of_that_page_are_shipped(page: Path) -> None:
    named = re.findall(r"backbones (?:train|recipes|check) ([a-z]\w+)", page.read_text())
    assert set(named) - {recipe.name for recipe in list_recipes()} == set()
    assert named != []


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_code_fit_the_page(page: str) -> None:
    blocks = (ROOT / page).read_text().split("\n```")[1::2]
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if len(line) > LONGEST] == []
