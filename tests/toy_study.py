"""Studies of residual learning on drawn images of three classes, trained in this process."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from studies.residual import trainings
from studies.residual.one_run import Job, carry_out
from studies.residual.points import AT_THE_END, ON_THE_WAY, Point
from studies.residual.processes import Task
from studies.residual.results import Conditions, Results, Trainings

ROOT = Path(__file__).resolve().parents[1]
TINY = (
    *("data.batch_size=6", "data.decoded=true", "data.train_scored=6", "optim.lr=0.01"),
    *("augment.size=16", "test.crop=16", "schedule.steps=2"),
    *("run.eval_every=2", "run.log_every=1", "run.save_every=1"),
    *("run.device=cpu", "run.precision=fp32"),
)
"""Two steps, the last of which is scored."""


class InThisProcess:
    """In place of `Processes`: spares their start-up."""

    def __init__(self, perform: Callable[[Job], int]) -> None:
        self.perform = perform
        self.received: list[int] = []

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, int]]:
        for task in tasks:
            yield task, self.perform(Job(**json.loads(task.arguments[0])))

    def tell(self, number: int) -> None:
        """Nothing runs beside."""


def words(study: str, data: Path, folder: Path, *more: str, budget: str = "cpu") -> list[str]:
    """The command line of a study whose files go to a folder."""
    script = str(ROOT / "studies" / f"{study}.py")
    places = ["--data", str(data), "--out", str(folder / "out"), "--page", str(folder / "page")]
    return [script, "--budget", budget, *places, *more]


def perform_by(patch: pytest.MonkeyPatch, perform: Callable[[Job], int]) -> None:
    """Have studies do their jobs so."""
    patch.setattr(trainings, "Processes", lambda limit, held: InThisProcess(perform))


def run_study(command: Sequence[str]) -> None:
    """Be a study in this process."""
    with pytest.MonkeyPatch.context() as patch:
        perform_by(patch, carry_out)
        patch.setattr(sys, "argv", list(command))
        runpy.run_path(command[0], run_name="__main__")


def point(network: str = "plain20", seed: int = 0, **values: object) -> Point:
    """A point of step 1."""
    known: dict[str, object] = {
        "study": "degradation",
        "budget": "cpu",
        "run": f"{network}-{seed}",
        "network": network,
        "seed": seed,
        "when": ON_THE_WAY,
        "step": 1,
        "epoch": 1.0,
        "images": 6,
        "train_error": 50.0,
        "train_scored": 6,
        "test_error": 60.0,
        "test_scored": 3,
        "train_loss": 1.5,
        "test_loss": 1.75,
        "step_loss": 2.0,
        "lr": 0.1,
        "images_per_s": 100.0,
    }
    return Point(**{**known, **values})  # type: ignore[arg-type]


def finished(network: str, seed: int, train_error: float, test_error: float) -> list[Point]:
    """The points of a training with these errors at its end."""
    errors = {"train_error": train_error, "test_error": test_error}
    end = {"when": AT_THE_END, "step_loss": None, "lr": None, "images_per_s": None}
    return [point(network, seed, **errors), point(network, seed, **errors, **end)]


def keep(
    results: Results, points: list[Point], study: str = "degradation", budget: str = "cpu"
) -> None:
    """Write points as those of a study."""
    conditions = Conditions(
        schedule="short", command="python", images=6, networks={"plain20": ()}, machines={}
    )
    results.write(Trainings(study, budget, points, conditions))
