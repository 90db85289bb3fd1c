"""Two processes: the same weights as one, stopping together, and errors that name the cause."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.distributed import World, micro_batch_size, resolve_device
from tasks.engine.run_folder import prepare_output_dir
from tasks.metrics_file import read_metrics

WORLD = World(0, 0, 1, torch.device("cpu"))


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param((), id="2x2", marks=pytest.mark.slow),
        pytest.param(("optim.accumulate=2",), id="2x1 accumulated twice"),
    ],
)
def test_two_ranks_train_the_weights_of_one(
    toy: ModuleType, run_two_ranks: Callable, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    toy.run(toy.toy_config(tmp_path / "one", "schedule.steps=5"), WORLD)
    done = run_two_ranks(f"run.output_dir={tmp_path / 'two'}", "schedule.steps=5", *overrides)
    assert done.returncode == 0, done.stderr
    one, two = (read_checkpoint(tmp_path / name / "last.pt").model for name in ("one", "two"))
    assert all(torch.allclose(one[key], two[key], rtol=0, atol=1e-5) for key in one)
    losses = [
        [row["loss"] for row in read_metrics(tmp_path / name / "metrics.jsonl")]
        for name in ("one", "two")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_under_torchrun_one_rank_told_to_stop_stops_both_and_the_run_resumes_exactly(
    run_toy: Callable, run_two_ranks: Callable, tmp_path: Path
) -> None:
    settings, torchrun = (
        ("optim.ema_decay=0.9", "norm=batch"),
        ("-m", "torch.distributed.run", "--standalone"),
    )
    straight = run_two_ranks(f"run.output_dir={tmp_path / 'straight'}", *settings, POISON="2")
    assert straight.returncode == 0, straight.stderr
    assert "step 2: a gradient was not finite" in straight.stdout  # rank 0's image, known to both
    stopped = run_toy(
        f"run.output_dir={tmp_path / 'stopped'}",
        *settings,
        launcher=(*torchrun, "--nproc-per-node", "2"),
        POISON="2",
        TERM_AT="5@1",
    )
    assert stopped.returncode != 0
    assert "stopped after step 5" in stopped.stdout
    command = stopped.stdout.splitlines()[-1]
    assert command.split()[1:6] == [
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
    ]
    assert command.endswith("run.resume=auto")
    resumed = run_two_ranks(f"run.output_dir={tmp_path / 'stopped'}", *settings, "run.resume=auto")
    assert resumed.returncode == 0, resumed.stderr
    one, two = (read_checkpoint(tmp_path / name / "last.pt") for name in ("straight", "stopped"))
    assert all(torch.equal(one.weights()[key], two.weights()[key]) for key in one.weights())
    assert one.progress.scores == two.progress.scores


@pytest.mark.slow
def test_torchrun_restarts_a_run_that_lost_a_rank(run_toy: Callable, tmp_path: Path) -> None:
    """From its last save, without run.resume (fault_campaign 15, gpu_audit B3)."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--max-restarts", "1")
    done = run_toy(
        f"run.output_dir={tmp_path / 'run'}",
        launcher=(*torchrun, "--nproc-per-node", "2"),
        KILL_AT="5@1",
    )
    assert done.returncode == 0, done.stderr
    assert "resumed after step 3 of 12" in done.stdout
    assert read_checkpoint(tmp_path / "run" / "last.pt").step == 12


def test_an_error_is_shared_by_one_process_with_itself() -> None:
    with pytest.raises(UserError, match=r"^wrong$"), WORLD.sharing_errors():
        raise UserError("wrong")
    with WORLD.sharing_errors():
        pass


class SecondRank(World):
    """Rank 1 of two, to which rank 0 sends a refusal."""

    def gather(self, value: object) -> None:
        assert value is None

    def broadcast(self, value: object) -> object:
        assert value is None
        return "rank 0 refuses"


def test_a_folder_that_rank_zero_refuses_is_refused_on_every_rank(
    toy: ModuleType, tmp_path: Path
) -> None:
    config = toy.toy_config(tmp_path)
    with pytest.raises(UserError, match="rank 0 refuses"):
        prepare_output_dir(config.run, SecondRank(1, 1, 2, torch.device("cpu")), config)


def test_one_process_gathers_and_broadcasts_to_itself() -> None:
    assert WORLD.gather("a") == ["a"]
    assert WORLD.broadcast("a") == "a"
    assert WORLD.any(True)
    assert not WORLD.any(False)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("tpu", 1, "must be auto, cpu, cuda or cuda:N, got 'tpu'"),
        ("0", 1, "must be auto, cpu, cuda or cuda:N, got '0'; GPU 0 is cuda:0"),
        ("cpu:1", 1, "must be auto, cpu, cuda or cuda:N, got 'cpu:1'"),
        ("cuda:x", 1, "must be auto, cpu, cuda or cuda:N, got 'cuda:x'"),
        ("cuda:99", 1, r"needs cuda:99, but torch sees \d+ GPUs here; run.device=cpu"),
        ("cuda:0", 2, "must be cuda when 2 processes"),
    ],
)
def test_a_device_that_does_not_exist_is_refused(name: str, size: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_device(name, 0, size)


def test_micro_batches_divide_or_the_nearest_size_is_named() -> None:
    assert micro_batch_size(16, 4, 2) == 2
    with pytest.raises(UserError, match=r"divide by 4 ranks x optim.accumulate=2, got 18; try 16"):
        micro_batch_size(18, 4, 2)
    with pytest.raises(UserError, match="got 3; try 8"):
        micro_batch_size(3, 4, 2)
