"""What a resumed run must have in common with its checkpoint: settings, rates, length and data."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import GROUPS, Checkpoint, Group, read_checkpoint, write_checkpoint
from tasks.engine.config import to_saved
from tasks.engine.distributed import World
from tasks.engine.progress import Progress
from tasks.engine.resuming import refuse_other_run, refuse_other_settings
from tasks.engine.schedule import Evaluation
from tasks.engine.settings import TaskSettings

WORLD = World(0, 0, 1, torch.device("cpu"))
CONSTANT = ("schedule.milestones=[]", "schedule.warmup_steps=0")
WARM = ("schedule.milestones=[]", "schedule.warmup_steps=6")
STEP = ("schedule.milestones=[8]", "schedule.warmup_steps=0")
COSINE = ("schedule.milestones=[]", "schedule.name=cosine")
PLATEAU = ("schedule.milestones=[]", "schedule.name=plateau", "schedule.plateau_evaluations=1")


def saved(folder: Path, progress: Progress, **metadata: Any) -> Checkpoint:
    """A checkpoint that says this, read back."""
    path = folder / "last.pt"
    groups = {name: Group.of({}) for name in GROUPS}
    write_checkpoint(path, progress, json.dumps(metadata), groups)
    return read_checkpoint(path)


def of_run(toy: ModuleType, folder: Path, step: int, *settings: str) -> Checkpoint:
    """A checkpoint of a run of 12 steps with scores that never rise after the first."""
    config: TaskSettings = toy.toy_config(folder, *settings)
    history = tuple(Evaluation(at, {"box/AP": 0.0}) for at in range(2, step + 1, 2))
    return saved(folder, Progress(step=step, history=history), config=to_saved(config))


@pytest.mark.parametrize(
    ("step", "settings", "changes"),
    [
        (12, CONSTANT, ["schedule.steps=24"]),
        (9, CONSTANT, ["schedule.steps=10"]),  # a shorter one
        (2, WARM, ["schedule.steps=12"]),
        (5, STEP, ["schedule.steps=24"]),  # the milestone moves from 8 to 16
        (12, STEP, ["schedule.steps=24", "schedule.reference_steps=24"]),  # it stays where it was
        (
            12,
            STEP,
            ["schedule.steps=24", "schedule.reference_steps=24", "schedule.milestones=[8,20]"],
        ),
        (12, PLATEAU, ["schedule.steps=24"]),
        (3, PLATEAU, ["schedule.gamma=0.5"]),
    ],
)
def test_a_schedule_may_change_where_no_finished_step_had_another_rate(
    toy: ModuleType, tmp_path: Path, step: int, settings: tuple[str, ...], changes: list[str]
) -> None:
    refuse_other_settings(
        of_run(toy, tmp_path, step, *settings), toy.toy_config(tmp_path, *settings, *changes)
    )


@pytest.mark.parametrize(
    ("step", "settings", "changes", "message"),
    [
        (9, STEP, ["schedule.steps=24"], "step 9 of .* took 0.1 times the peak, which is 1 with"),
        (2, WARM, ["schedule.steps=24"], "step 2 of .* took"),  # a third of 12 steps, not of 24
        (2, COSINE, ["schedule.steps=24"], "which is .* with schedule.steps=24 .was 12.; give the"),
        (2, CONSTANT, ["schedule.name=cosine"], "with schedule.name=cosine .was step.; give the"),
        (6, PLATEAU, ["schedule.gamma=0.5"], "step 5 of .* took 0.1 .* which is 0.5 with"),
    ],
)
def test_a_schedule_that_changes_a_finished_rate_is_refused_with_the_way_out(
    toy: ModuleType,
    tmp_path: Path,
    step: int,
    settings: tuple[str, ...],
    changes: list[str],
    message: str,
) -> None:
    """field_faults 19, a longer schedule."""
    (tmp_path / "best.pt").touch()
    checkpoint = of_run(toy, tmp_path, step, *settings)
    config = toy.toy_config(tmp_path, *settings, *changes)
    with pytest.raises(UserError, match=rf"{message}.*model\.weights={tmp_path}/best\.pt run"):
        refuse_other_settings(checkpoint, config)


def test_a_checkpoint_past_the_end_is_refused(toy: ModuleType, tmp_path: Path) -> None:
    """fault_campaign A5: `step 88/1`, for ever."""
    checkpoint = of_run(toy, tmp_path, 4, *CONSTANT)
    config = toy.toy_config(tmp_path, *CONSTANT, "schedule.steps=3")
    with pytest.raises(UserError, match=r"schedule\.steps=3 .* got .*last\.pt of step 4; raise"):
        refuse_other_settings(checkpoint, config)


def with_length(config: Any, **length: float) -> Any:
    """The settings with schedule.epochs or schedule.minutes."""
    return replace(config, schedule=replace(config.schedule, **length))


def test_epochs_are_compared_once_they_are_steps(toy: ModuleType, tmp_path: Path) -> None:
    """An epoch of the miniature run has 6 steps."""
    toy.run(with_length(toy.toy_config(tmp_path, *CONSTANT), epochs=1), WORLD)
    again = toy.toy_config(tmp_path, *CONSTANT, "run.resume=auto")
    toy.run(with_length(again, epochs=2), WORLD)
    assert read_checkpoint(tmp_path / "last.pt").step == 12
    cosine = toy.toy_config(tmp_path, *COSINE, "run.resume=auto")
    with pytest.raises(UserError, match="learning rate of every finished step"):
        toy.run(with_length(cosine, epochs=3), WORLD)


def test_minutes_stay(toy: ModuleType, tmp_path: Path) -> None:
    checkpoint = of_run(toy, tmp_path, 4, *CONSTANT)
    config = with_length(toy.toy_config(tmp_path, *CONSTANT), minutes=4)
    with pytest.raises(UserError, match=r"schedule\.minutes=None, now 4"):
        refuse_other_settings(checkpoint, config)


DATA = {"images": 8, "sha256": "a", "names": "b", "pixels": "c", "val": {"images": 4, "names": "d"}}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("images", 7, r"the number of images of the training data \(8, now 7\)"),
        ("names", "x", "the file names of the training data"),
        ("pixels", "x", "the pixels of some images of the training data"),
        ("val", {"images": 2}, r"the number of images of the validation data \(4, now 2\)"),
        ("val", {"names": "x"}, "the file names of the validation data"),
    ],
)
def test_other_data_are_refused_by_what_has_changed(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    """fault_campaign A8."""
    checkpoint = saved(tmp_path, Progress(step=2), data=DATA)
    with pytest.raises(UserError, match=f"{message}; point data.* at the old data"):
        refuse_other_run(checkpoint, {"data": DATA | {key: value}})


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        {"images": 8, "sha256": "a"},  # of a version that said less
        DATA | {"val": {"images": 2, "names": "d", "limit": 2}},  # data.val.limit may change
        None,
    ],
)
def test_data_that_are_the_same_as_far_as_is_known_are_taken(tmp_path: Path, data: Any) -> None:
    refuse_other_run(saved(tmp_path, Progress(step=2), data=data), {"data": DATA})


def test_another_task_is_refused(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, Progress(step=2), task="detection")
    with pytest.raises(
        UserError, match=r"keep its task, but .* has 'detection', and the run 'toy'"
    ):
        refuse_other_run(checkpoint, {"task": "toy"})
