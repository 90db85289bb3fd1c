"""The doctor of a task that knows nothing of it: mean_colour.py, with delays planted."""

import importlib.util
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.engine import doctor
from tasks.engine.diagnosis import Diagnosis
from tasks.engine.doctor import Limits, diagnose
from tasks.engine.settings import OptimConfig, RunConfig
from tasks.images import decode
from tasks.stages import stage

SCRIPT = Path(__file__).with_name("mean_colour.py")
FEW = Limits(batches=3)


@pytest.fixture(scope="module")
def colour() -> ModuleType:
    specification = importlib.util.spec_from_file_location("mean_colour", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["mean_colour"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(10):
        Image.new("RGB", (12, 8), (20 * number, 0, 0)).save(folder / f"{number}.png")
    return folder


def settings(
    colour: ModuleType, images: Path, output_dir: Path, workers: int = 0, **optim: Any
) -> Any:
    metric = "colour/closeness"
    run = RunConfig(output_dir=str(output_dir), device="cpu", precision="fp32", best_metric=metric)
    return colour.ColourConfig(
        data=colour.DataConfig(root=str(images), workers=workers),
        optim=OptimConfig(lr=0.1, reference_batch=4, **optim),
        run=run,
    )


def examined(colour: ModuleType, images: Path, workers: int = 0, **optim: Any) -> Diagnosis:
    config = settings(colour, images, Path("nowhere"), workers, **optim)
    return diagnose(config, colour.run, FEW)


def test_slow_decoding_is_named(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(source: Path) -> Any:
        with stage("decode"):
            time.sleep(0.02)
        return decode(source)

    monkeypatch.setattr(colour, "decode", slow)
    found = examined(colour, images)
    assert found.verdict.startswith("loading limits: loading takes ")
    assert "; decode is " in found.verdict
    assert 0.08 < found.stages["decode"] <= found.alone.seconds  # 4 images


def test_a_slow_model_is_named(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = colour.ColourObjective.forward

    def slow(self: object, batch: object) -> object:
        time.sleep(0.1)
        return forward(self, batch)

    monkeypatch.setattr(colour.ColourObjective, "forward", slow)
    found = examined(colour, images)
    assert found.verdict.startswith("the model limits: it takes 1")
    assert found.model.seconds > 0.1


def test_nothing_is_written_and_a_run_that_is_there_is_not_touched(
    colour: ModuleType, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even read: no training would start on this checkpoint."""
    run, temporary = tmp_path / "run", tmp_path / "temporary"
    run.mkdir()
    temporary.mkdir()
    (run / "last.pt").write_text("weights")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(run)
    diagnose(settings(colour, images, run), colour.run, FEW)
    assert sorted(tmp_path.rglob("*")) == [run, run / "last.pt", temporary]
    assert (run / "last.pt").read_text() == "weights"


def test_the_weights_stay_as_they_were_built(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[torch.nn.Module] = []
    forward = colour.ColourObjective.forward

    def remembering(self: Any, batch: object) -> object:
        built.append(self.model)
        return forward(self, batch)

    monkeypatch.setattr(colour.ColourObjective, "forward", remembering)
    examined(colour, images, weight_decay=0.1, ema_decay=0.9)
    torch.manual_seed(0)  # run.seed
    expected = colour.ColourModel().state_dict()
    assert len(built) == 3 + FEW.batches
    left = built[-1].state_dict()
    assert all(torch.equal(left[name], tensor) for name, tensor in expected.items())


def test_what_a_task_does_after_training_is_not_done(colour: ModuleType, images: Path) -> None:
    reports: list[object] = []

    def run(config: Any, launch: Any) -> dict[str, float]:
        scores: dict[str, float] = colour.run(config, launch)
        reports.append(scores)
        return scores

    diagnose(settings(colour, images, Path("nowhere")), run, FEW)
    assert reports == []


def test_the_machine_is_described(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four cores of a container with a quota, on which others are at work."""
    monkeypatch.setattr(
        doctor, "describe_cores", lambda: "4 cores, of which the container allows 2"
    )
    monkeypatch.setattr(doctor, "free_cores", lambda wanted: 1.23)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lines = examined(colour, images).text().splitlines()
    assert lines[:3] == [
        "cores       4 cores, of which the container allows 2; 1.2 are free",
        f"threads     {threads_in_words()}: OMP_NUM_THREADS=1",
        "precision   fp32: run.precision=fp32",
    ]


def threads_in_words() -> str:
    number = torch.get_num_threads()
    return "1 thread" if number == 1 else f"{number} threads"


def test_workers_are_timed_and_end(colour: ModuleType, images: Path) -> None:
    found = examined(colour, images, workers=1)
    assert (found.workers, found.loader.batches) == (1, 3)
    assert found.loader != found.alone
    assert multiprocessing.active_children() == []


def test_a_batch_is_that_of_a_step_with_all_its_micro_batches(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    load = colour.ColourBatches.load

    def counting(self: object, plan: Any) -> object:
        sizes.append(len(plan.places))
        return load(self, plan)

    monkeypatch.setattr(colour.ColourBatches, "load", counting)
    found = examined(colour, images, accumulate=2)
    assert sizes == [2] * 2 * (1 + FEW.batches)  # the first is not timed
    assert found.images == 4


def test_several_ranks_are_refused(
    colour: ModuleType, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = "times one process, got 2 ranks; leave torchrun out, and set data.batch_size=2,"
    with pytest.raises(UserError, match=message):
        examined(colour, images)


def test_a_stage_ends_by_time_but_for_the_least() -> None:
    limits = Limits(batches=100, seconds=20, least=3)
    assert not limits.reached(99, 19)
    assert limits.reached(100, 0)
    assert limits.reached(3, 20)
    assert not limits.reached(2, 60)
