"""Who a process is, by what torchrun or srun set (gpu_audit B2, B3, B10)."""

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.distributed import World, gloo_interface
from tasks.engine.rank_environment import Ranks, first_host, ranks_of

SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_JOB_ID": "1234567",
    "SLURM_NODELIST": "gpu[003-004,7]",
}


def test_one_process_without_a_launcher() -> None:
    assert ranks_of({"HOME": "/"}) == Ranks()


def test_a_process_of_torchrun() -> None:
    environment = {
        "RANK": "3",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "4",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "29500",
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_RESTART_COUNT": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    expected = Ranks(3, 1, 4, "a", 29500, restarts=2, launcher="torchrun", hosted=True)
    assert ranks_of(environment | SLURM) == expected, "also inside a SLURM job"


def test_a_process_of_srun() -> None:
    """Port 20000 + 1234567 % 20000."""
    assert ranks_of(SLURM) == Ranks(5, 1, 8, "gpu003", 34567, launcher="srun")
    named = SLURM | {"MASTER_ADDR": "b", "MASTER_PORT": "1", "SLURM_STEP_NUM_TASKS": "6"}
    assert ranks_of(named) == Ranks(5, 1, 6, "b", 1, launcher="srun")


def test_one_task_of_srun_is_one_process() -> None:
    assert ranks_of(SLURM | {"SLURM_NTASKS": "1"}) == Ranks()
    assert ranks_of(SLURM | {"SLURM_STEP_NUM_TASKS": "1"}) == Ranks()


def test_ranks_that_cannot_meet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(UserError, match="got no MASTER_ADDR or MASTER_PORT; torchrun sets"):
        World.create("cpu")


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ("node7", "node7"),
        ("a1,a2", "a1"),
        ("gpu[003-007,9],cpu1", "gpu003"),
        ("gpu[9,003-007]", "gpu9"),
        ("rack[1-2]-n,x", "rack1-n"),
    ],
)
def test_the_first_machine_of_a_job(names: str, host: str) -> None:
    assert first_host(names) == host


@pytest.mark.parametrize(
    ("wanted", "interface"),
    [(None, None), ("^lo", None), ("eth", "eth0"), ("=eth", None), ("ib0,eth1", "eth1")],
)
def test_gloo_takes_the_interface_that_nccl_is_given(
    wanted: str | None, interface: str | None
) -> None:
    assert gloo_interface(wanted, [(1, "lo"), (2, "eth0"), (3, "eth1")]) == interface
