"""What is decided before a run begins."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.detection.config import DetectionConfig
from tasks.engine import precision, threads
from tasks.engine.beginning import choose_precision
from tasks.engine.checkpoint import Checkpoints, read_checkpoint
from tasks.engine.compilation import check_cuda_graphs
from tasks.engine.distributed import World
from tasks.engine.progress import Progress
from tasks.engine.settings import OptimConfig, RunConfig
from tasks.engine.shared_folder import refuse_different_folders
from tasks.engine.start import Start

WORLD = World(0, 0, 1, torch.device("cpu"))


def test_a_resumed_run_keeps_its_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever this process's timing says; settings that name it still count."""
    monkeypatch.setattr(precision, "prefers_bf16", lambda device: False)
    assert choose_precision(RunConfig(), None, WORLD).name == "fp32"
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Checkpoints(tmp_path, {"precision": "bf16"}).save(
        ("last.pt",), Progress(step=1), model, None, optimizer
    )
    resumed = read_checkpoint(tmp_path / "last.pt")
    assert choose_precision(RunConfig(), resumed, WORLD).name == "bf16"
    assert choose_precision(RunConfig(precision="fp32"), resumed, WORLD).name == "fp32"


def test_a_resumed_run_begins_with_its_number_of_threads(
    toy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The machine is as busy as can be then, and the user gives no number."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "OF_TORCH", 2)
    monkeypatch.setattr(threads, "usable_cores", lambda system: 2)
    monkeypatch.setattr(threads, "free_cores", lambda wanted, system: 0.0)
    before = torch.get_num_threads()
    try:
        toy.run(toy.toy_config(tmp_path, "run.threads=2", "schedule.steps=2"), WORLD)
        torch.set_num_threads(1)
        assert read_checkpoint(tmp_path / "last.pt").metadata["threads"] == 2
        capsys.readouterr()
        toy.run(toy.toy_config(tmp_path, "run.resume=auto", "schedule.steps=2"), WORLD)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert "2 threads: as the run was saved with" in capsys.readouterr().out
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert [start["threads"] for start in starts] == [2, 2]
    reasons = [start["threads_because"] for start in starts]
    assert reasons == ["run.threads=2", "as the run was saved with"]
    assert starts[0]["precision_because"] == "run.precision=fp32"


def test_cuda_graphs_are_refused_where_they_cannot_be() -> None:
    cpu, gpu = (World(0, 0, 1, torch.device(name)) for name in ("cpu", "cuda"))
    asked = DetectionConfig(run=RunConfig(compile=True, cuda_graphs=True))
    check_cuda_graphs(asked, gpu)
    with pytest.raises(UserError, match="needs a GPU, got cpu"):
        check_cuda_graphs(asked, cpu)
    with pytest.raises(UserError, match=r"optim.accumulate=1, got 2"):
        check_cuda_graphs(replace(asked, optim=OptimConfig(accumulate=2)), gpu)
    with pytest.raises(UserError, match=r"run.cuda_graphs=true needs run.compile=true"):
        RunConfig(cuda_graphs=True)


class TwoMachines(World):
    """Rank 0 of two, whose other rank sees its own disk."""

    def gather(self, value: object) -> list[object]:
        return [value, "none"]

    def broadcast(self, value: object) -> object:
        return value


def test_ranks_that_see_different_folders_are_refused(tmp_path: Path) -> None:
    world = TwoMachines(0, 0, 2, torch.device("cpu"))
    refuse_different_folders(tmp_path, None, world)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Checkpoints(tmp_path, {}).save(("last.pt",), Progress(step=5), model, None, optimizer)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    message = r"one folder that all ranks see, .* rank 0 finds one of step 5 there and rank 1 none"
    with pytest.raises(UserError, match=message):
        refuse_different_folders(tmp_path, checkpoint, world)


def test_a_network_that_comes_with_the_package_may_be_where_training_starts() -> None:
    checkpoint = Start.of("ours:shapes").checkpoint
    assert checkpoint is not None
    assert checkpoint.metadata["task"] == "detection"
    assert Start.of("ours:resnet20.cifar10").checkpoint is None  # a backbone's
