"""W&B and MLflow, offline: what they receive, and that they never end a run."""

from __future__ import annotations

import importlib.util
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine import trackers
from tasks.engine.distributed import World
from tasks.engine.launch import launch_in

WORLD = World(0, 0, 1, torch.device("cpu"))


def train(toy: ModuleType, folder: Path, *overrides: str) -> Any:
    """Train the toy for 12 steps, or as many as are said."""
    return launch_in(WORLD, toy.toy_config(folder, *overrides), toy.route)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trackers write below `tmp_path`, and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def test_a_missing_package_is_refused_before_anything_is_written(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        trackers.importlib.util,
        "find_spec",
        lambda name, *more: None if name == "mlflow" else found(name, *more),
    )
    with pytest.raises(UserError, match=r"pip install 'resnet-backbones\[mlflow\]'"):
        train(toy, tmp_path / "run", "run.trackers=[mlflow]")
    assert not (tmp_path / "run").exists()


def test_without_trackers_there_is_no_tensorboard(toy: ModuleType, tmp_path: Path) -> None:
    train(toy, tmp_path, "run.trackers=[]")
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "metrics.jsonl").exists()


def test_a_tracker_that_is_named_twice_is_refused(toy: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must name each tracker once"):
        toy.toy_config(tmp_path, "run.trackers=[wandb,wandb]")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("box/AP", "box/AP"),
        ("box/AP/traffic light (red)", "box/AP/traffic light _red_"),
        ("box/AP/../..", "box/AP/_/_"),
        ("box//AP/", "box/_/AP/_"),
        ("/etc", "_/etc"),
    ],
)
def test_names_that_mlflow_takes(name: str, allowed: str) -> None:
    assert trackers._allowed(name) == allowed


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_tracker_that_cannot_start_is_left_out_with_a_line(
    toy: ModuleType,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = pytest.importorskip(name)

    def fail(*arguments: object, **named: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(library, {"wandb": "init", "mlflow": "MlflowClient"}[name], fail)
    run = train(toy, tmp_path / "run", f"run.trackers=[{name}]")
    assert "box/AP" in run.scores
    assert capsys.readouterr().out.count("is left out: ConnectionError: no network") == 1


@pytest.mark.usefixtures("offline")
class TestMLflow:
    @pytest.fixture
    def client(self) -> Any:
        return pytest.importorskip("mlflow").MlflowClient()

    def test_numbers_settings_and_pictures_arrive(
        self, toy: ModuleType, tmp_path: Path, client: Any
    ) -> None:
        scores = train(toy, tmp_path / "run", "run.trackers=[mlflow]").scores
        experiment = client.get_experiment_by_name("resnet-backbones")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.run_name == "run"
        assert run.data.metrics["box/AP"] == pytest.approx(100 * scores["box/AP"])
        assert run.info.status == "FINISHED"
        assert run.data.params["data.batch_size"] == "4"
        losses = client.get_metric_history(run.info.run_id, "loss")
        assert [one.step for one in losses] == [2, 4, 6, 8, 10, 12]
        pictures = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
        assert any("curves" in path for path in pictures)

    def test_a_resumed_run_goes_on_in_the_same_run(
        self, toy: ModuleType, tmp_path: Path, client: Any
    ) -> None:
        grow(toy, tmp_path / "run", "mlflow")
        experiment = client.get_experiment_by_name("resnet-backbones")
        (run,) = client.search_runs([experiment.experiment_id])
        losses = client.get_metric_history(run.info.run_id, "loss")
        assert {one.step for one in losses} == {2, 4, 6, 8, 10, 12}

    def test_a_run_that_an_error_ends_has_failed(
        self, toy: ModuleType, tmp_path: Path, client: Any
    ) -> None:
        def loop(*arguments: object) -> None:
            arguments[0].log.start(0, 1)  # type: ignore[attr-defined]
            raise RuntimeError("planted")

        config = toy.toy_config(tmp_path / "run", "run.trackers=[mlflow]")
        with pytest.raises(RuntimeError, match="planted"):
            launch_in(WORLD, config, toy.route, loop=loop)
        experiment = client.get_experiment_by_name("resnet-backbones")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FAILED"


def grow(toy: ModuleType, folder: Path, tracker: str) -> None:
    """Train in two processes of the same run, the second of which also has the tracker."""

    class EnoughError(Exception):
        pass

    def leave(save: Callable[..., Any]) -> Callable[..., Any]:
        def saved(*arguments: Any) -> Any:
            progress = save(*arguments)
            if progress.step >= 6:
                raise EnoughError
            return progress

        return saved

    from tasks.engine import fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "save", leave(fit.save))
        overrides = (f"run.trackers=[{tracker}]", "run.save_every=3")
        with pytest.raises(EnoughError):
            train(toy, folder, *overrides)
    train(toy, folder, *overrides, "run.resume=auto")


def messages(content: bytes) -> Iterator[bytes]:
    """The messages of a file of W&B: a log as LevelDB writes it, after a head of 7 bytes."""
    place = 7
    whole = b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


@pytest.mark.usefixtures("offline")
class TestWeightsAndBiases:
    def records(self, folder: Path) -> list[list[Any]]:
        """The records of each process, in the order of their start."""
        pytest.importorskip("wandb")
        from wandb.proto.wandb_internal_pb2 import Record

        runs = []
        for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=os.path.getmtime):
            found: list[Any] = []
            deadline = time.monotonic() + 20
            while not any(one.WhichOneof("record_type") == "exit" for one in found):
                assert time.monotonic() < deadline, "never written to its end"
                found = [Record.FromString(content) for content in messages(file.read_bytes())]
            runs.append(found)
        return runs

    def steps(self, records: list[Any], name: str) -> list[int]:
        """The steps at which a number was logged."""
        found = []
        for record in records:
            if record.WhichOneof("record_type") != "history":
                continue
            pairs = [
                (item.key or item.nested_key[0], item.value_json) for item in record.history.item
            ]
            values = dict(pairs)
            if name in values:
                found.append(int(values["step"]))
        return found

    def test_numbers_settings_and_pictures_arrive(self, toy: ModuleType, tmp_path: Path) -> None:
        pytest.importorskip("wandb")
        train(toy, tmp_path / "run", "run.trackers=[wandb]")
        (records,) = self.records(tmp_path / "run")
        assert self.steps(records, "loss") == [2, 4, 6, 8, 10, 12]
        assert self.steps(records, "curves")[-1] == 12
        (run,) = [one.run for one in records if one.WhichOneof("record_type") == "run"]
        assert (run.display_name, run.project) == ("run", "resnet-backbones")
        assert "data" in {item.key for item in run.config.update}

    def test_a_resumed_run_goes_on_in_the_same_run(self, toy: ModuleType, tmp_path: Path) -> None:
        pytest.importorskip("wandb")
        grow(toy, tmp_path / "run", "wandb")
        first, second = self.records(tmp_path / "run")
        names = {
            one.run.run_id for one in (*first, *second) if one.WhichOneof("record_type") == "run"
        }
        assert len(names) == 1
        assert self.steps(second, "loss")[-1] == 12
