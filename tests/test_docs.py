"""What docs/train.md says of settings is so."""

import re
from pathlib import Path

from tasks.detection.config import DetectionConfig, ModelConfig
from tasks.engine.config import flatten, to_dict
from tasks.engine.settings import ScheduleConfig, changeable

TRAIN = Path(__file__).resolve().parents[1] / "docs" / "train.md"


def named_settings(heading: str) -> set[str]:
    """Settings that a section of the page names."""
    section = TRAIN.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`((?:data|model|optim|schedule|run)\.[\w.]+)", section))


def test_the_settings_that_a_resume_may_change_are_those_that_the_page_names() -> None:
    named = named_settings("Stop and resume") - {"run.resume", "run.output_dir", "schedule.name"}
    every = {name for name, _ in flatten(to_dict(DetectionConfig())) if name.startswith("run.")}
    model = ModelConfig(norm="group")  # with which optim.accumulate may change
    may = set(changeable(DetectionConfig(model=model)))
    plateau = DetectionConfig(model=model, schedule=ScheduleConfig(name="plateau"))
    kept_by_plateau = may - set(changeable(plateau))
    assert kept_by_plateau == {"run.eval_every", "run.best_metric"}
    assert named == {name for name in may if name not in every} | (every - may) | kept_by_plateau


def test_every_setting_that_the_page_names_is_one() -> None:
    known = {name for name, _ in flatten(to_dict(DetectionConfig()))}
    named = set(re.findall(r"`((?:data|model|optim|schedule|run)\.[\w.]*\w)", TRAIN.read_text()))
    assert named - known <= {"model.roi", "model.anchors"}
