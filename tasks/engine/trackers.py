"""Trackers of the setting run.trackers besides TensorBoard: W&B and MLflow.

Their destination and account are their own settings, in the environment: WANDB_PROJECT, WANDB_MODE,
MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, … A resumed run continues the same run of a tracker, by
the name kept in the run's folder.
"""

import importlib.util
import json
import os
import posixpath
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.engine.config import to_dict
from tasks.engine.distributed import World
from tasks.engine.nested_values import flatten
from tasks.engine.settings import TaskSettings
from tasks.engine.sinks import Sink
from tasks.files import write_text
from tasks.metrics_file import Row

NAMES = ".trackers.json"
"""File in a run's folder with each tracker's name of the run."""
PROJECT = "resnet-backbones"
"""Project of W&B and experiment of MLflow, if the environment names none."""
PATIENCE = 60  # seconds to wait for a tracker at the start and at the end
_PARAMETERS = 100  # parameters of MLflow in one call
_LONGEST = 500  # characters of a parameter that every store of MLflow accepts


def make_trackers(config: TaskSettings, world: World) -> list[Sink]:
    """Make the trackers of a run other than TensorBoard; nothing is opened yet.

    Collective: UserError on every rank if the package of one is not installed.
    """
    names = [name for name in config.run.trackers if name in _OURS]
    with world.sharing_errors():
        for name in names if world.is_main else ():
            _require(name)
    folder = Path(config.run.output_dir)
    settings: dict[str, Any] = to_dict(config)
    return [_OURS[name](folder, settings) for name in names]


class WeightsAndBiases(Sink):
    """Numbers and pictures for wandb.ai, or for a folder that `wandb sync` sends later.

    Scores are in percent.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.run: Any = None

    def start(self, step: int, rows: list[Row]) -> None:
        """Begin a run of W&B, or continue this run's own."""
        import wandb

        known = _name_of(self.folder, "wandb")
        name = known or secrets.token_hex(4)
        patience = dict.fromkeys(("init_timeout", "login_timeout", "finish_timeout"), PATIENCE)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=os.environ.get("WANDB_NAME", self.folder.name),
            id=name,
            resume="allow",
            dir=self.folder,
            config=dict(self.settings),
            settings=wandb.Settings(console="off", **patience),
        )
        self.run.define_metric("*", step_metric="step")  # W&B's own steps cannot go back
        _keep_name(self.folder, "wandb", name)
        for row in rows if known is None else ():
            self.row(row, row, is_new=True)

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        """Add the new numbers."""
        self.run.log({"step": added["step"], **self.shown(added)})

    def picture(self, file: Path, step: int) -> None:
        """Add a picture."""
        import wandb

        self.run.log({"step": step, file.stem: wandb.Image(str(file))})

    def close(self) -> None:
        """End the run of W&B."""
        if self.run is not None:
            self.run.finish(exit_code=0 if sys.exception() is None else 1)


class MLflow(Sink):
    """Numbers and pictures for MLflow's server, or for its files; scores are in percent."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.client: Any = None
        self.name = ""

    def start(self, step: int, rows: list[Row]) -> None:
        """Begin a run of MLflow, or continue this run's own."""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # training waits for it
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        import mlflow

        client = mlflow.MlflowClient()
        known = _name_of(self.folder, "mlflow")
        if known is not None:
            client.update_run(known, status="RUNNING")
            self.name = known
            self.client = client
            return
        run = client.create_run(_experiment(client), run_name=self.folder.name)
        self.name = run.info.run_id
        self.client = client
        _keep_name(self.folder, "mlflow", self.name)
        for part in _parameters(self.settings):
            client.log_batch(self.name, params=part)
        for row in rows:
            self.row(row, row, is_new=True)

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        """Add the new numbers."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        step = added["step"]
        numbers = self.shown(added).items()
        metrics = [Metric(_allowed(name), value, now, step) for name, value in numbers]
        self.client.log_batch(self.name, metrics=metrics)

    def picture(self, file: Path, step: int) -> None:
        """Add a picture."""
        import mlflow

        self.client.log_image(self.name, mlflow.Image(str(file)), key=file.stem, step=step)

    def close(self) -> None:
        """End the run of MLflow."""
        if self.client is not None:
            status = "FINISHED" if sys.exception() is None else "FAILED"
            self.client.set_terminated(self.name, status)


_OURS: dict[str, Callable[[Path, Mapping[str, Any]], Sink]] = {
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


def _require(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        rule = f"run.trackers={name} needs the package {name}, which is not installed"
        raise UserError(f"{rule}; pip install 'resnet-backbones[{name}]', or leave it out")


def _experiment(client: Any) -> str:
    """Return the experiment that runs belong to."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    found = client.get_experiment_by_name(name)
    experiment: str = client.create_experiment(name) if found is None else found.experiment_id
    return experiment


def _parameters(settings: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Send the settings as MLflow's parameters, in calls of the allowed size."""
    from mlflow.entities import Param

    pairs = [(name, str(value)[:_LONGEST]) for name, value in flatten(dict(settings))]
    parameters = [Param(_allowed(name), value) for name, value in pairs]
    for first in range(0, len(parameters), _PARAMETERS):
        yield parameters[first : first + _PARAMETERS]


def _allowed(name: str) -> str:
    """Convert a name to one that MLflow accepts; classes may have any name."""
    plain = re.sub(r"[^\w.\- :/]", "_", name)
    parts = [part if part.strip(".") else "_" for part in plain.split("/")]
    return posixpath.join(*parts)[:250]


def _name_of(folder: Path, tracker: str) -> str | None:
    """Read a tracker's name of the run in a folder; None before its first start."""
    name = _read_names(folder).get(tracker)
    return name if isinstance(name, str) else None


def _keep_name(folder: Path, tracker: str, name: str) -> None:
    names = {**_read_names(folder), tracker: name}
    write_text(folder / NAMES, json.dumps(names) + "\n")


def _read_names(folder: Path) -> dict[str, Any]:
    file = folder / NAMES
    names = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return names if isinstance(names, dict) else {}
