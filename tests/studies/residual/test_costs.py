"""What a study would cost."""

from pathlib import Path

import class_data
import pytest

from studies.degradation import STUDY
from studies.residual.costs import MACS_PER_S, START_S, estimated_minutes, multiply_adds
from studies.residual.study import Plan
from studies.residual.subsets import StudyImages
from tasks.cli.train import read_recipe


def test_minutes_are_those_of_training_and_a_third_of_that_for_scoring(tmp_path: Path) -> None:
    images = StudyImages(class_data.folders(tmp_path / "data"), tmp_path / "images")
    settings = ("schedule.steps=300", "run.eval_every=100", "data.batch_size=10")
    plan = Plan(STUDY, "cpu", images, tmp_path / "out", 1, ("plain20",), settings)
    (run,) = plan.runs()
    scored = 3 * (18 + 12) + 18 + 12  # three times on the way, and at the end
    seconds = START_S + (300 * 10 + scored / 3) * 40_551_040 / MACS_PER_S
    assert estimated_minutes(run) == pytest.approx(seconds / 60)


def test_options_count() -> None:
    _, config = read_recipe("cifar_resnet20", ["model.options.shortcut=C"])
    assert multiply_adds(config) == pytest.approx(42.65e6, rel=1e-4)
