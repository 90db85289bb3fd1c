"""The trainings of a study, one folder for one study at a time."""

from pathlib import Path

import class_data
import pytest
from toy_study import perform_by

from resnet_backbones.errors import UserError
from studies.degradation import STUDY
from studies.residual.study import Plan
from studies.residual.subsets import StudyImages
from studies.residual.trainings import carry_out, only_process


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    images = StudyImages(class_data.folders(tmp_path / "data"), tmp_path / "images")
    return Plan(STUDY, "cpu", images, tmp_path / "out", 1, ("plain20", "resnet20"), ())


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    other = only_process(tmp_path)
    with only_process(tmp_path), pytest.raises(UserError, match="one study at a time"):
        other.__enter__()


def test_a_folder_is_free_again(tmp_path: Path) -> None:
    with only_process(tmp_path):
        pass
    with only_process(tmp_path) as lock:
        assert not lock.closed


def test_each_is_given_as_it_is_finished(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    perform_by(monkeypatch, lambda job: 0)
    with only_process(plan.out) as lock:
        names = [run.name for run in carry_out(plan, plan.runs(), 1, lock)]
    assert names == ["plain20-0", "resnet20-0"]


def test_of_trainings_beside_others_a_file_says_what_failed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform_by(monkeypatch, lambda job: 2)
    rule = r"plain20-0 did not; .*degradation/cpu/plain20-0\.log says why"
    with only_process(plan.out) as lock, pytest.raises(UserError, match=rule):
        list(carry_out(plan, plan.runs(), 2, lock))
