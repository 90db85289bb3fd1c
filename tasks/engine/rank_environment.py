"""This process's place among a run's processes, from the environment of torchrun or SLURM."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from resnet_backbones.errors import UserError

FIRST_PORT, PORTS = 20000, 20000
"""First port and number of ports; a SLURM job takes one by its number."""


@dataclass(frozen=True)
class Ranks:
    """One of `size` processes, and where they meet."""

    rank: int = 0
    local_rank: int = 0
    """Number on this machine."""
    size: int = 1
    address: str = ""
    """Address of the first process's machine."""
    port: int = 0
    restarts: int = 0
    """How often torchrun has started all of them again."""
    launcher: str = ""
    """`torchrun`, `srun`, or nothing."""
    hosted: bool = False
    """Whether the launcher provides the place of meeting, so that rank 0 does not."""


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """Read the process that torchrun, or otherwise srun, has started; a single one without them."""
    if "RANK" in environment or "WORLD_SIZE" in environment:
        return _by_name(environment)
    tasks = environment.get("SLURM_STEP_NUM_TASKS", environment.get("SLURM_NTASKS", "1"))
    if "SLURM_PROCID" in environment and int(tasks) > 1:
        return _of_slurm(environment, int(tasks))
    return Ranks()


def first_host(names: str) -> str:
    """Return the first machine of SLURM's short form, such as gpu003 of `gpu[003-007,9],cpu1`."""
    found = re.match(r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,\[]*)", names)
    if found is None:
        raise UserError(f"SLURM_NODELIST must name machines, got {names!r}; set MASTER_ADDR")
    return "".join(part or "" for part in found.groups())


def _by_name(environment: Mapping[str, str]) -> Ranks:
    """Read what torchrun sets, or people set by hand."""
    size = int(environment.get("WORLD_SIZE", "1"))
    elastic = "TORCHELASTIC_RUN_ID" in environment
    return Ranks(
        rank=int(environment.get("RANK", "0")),
        local_rank=int(environment.get("LOCAL_RANK", "0")),
        size=size,
        address=environment.get("MASTER_ADDR", ""),
        port=int(environment.get("MASTER_PORT", "0")),
        restarts=int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
        launcher="torchrun" if elastic else "",
        hosted=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
    )


def _of_slurm(environment: Mapping[str, str], size: int) -> Ranks:
    """Read what srun sets for each of its tasks."""
    names = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_NODELIST", ""))
    names = names or environment.get("SLURM_JOB_NODELIST", "")
    job = int(environment.get("SLURM_JOB_ID", environment.get("SLURM_JOBID", "0")))
    port = FIRST_PORT + job % PORTS
    return Ranks(
        rank=int(environment["SLURM_PROCID"]),
        local_rank=int(environment.get("SLURM_LOCALID", "0")),
        size=size,
        address=environment.get("MASTER_ADDR") or first_host(names),
        port=int(environment.get("MASTER_PORT", str(port))),
        launcher="srun",
    )
