"""Command lines that are printed for people to type.  Imports no torch."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TOOLS = {
    "check": "check_data.py",
    "compare": "compare.py",
    "eval": "eval_det.py",
    "predict": "predict.py",
    "report": "report.py",
    "train": "train_det.py",
}
"""Scripts of the repository's tools/ that do what a command does."""


def command(name: str, *arguments: object) -> str:
    """A command line of ours: `backbones NAME …`, or the script in tools/ where this process was
    started through one.
    """
    words = [str(argument) for argument in arguments]
    script = Path(sys.argv[0])
    if script.parent.name == "tools" and name in TOOLS:
        return shlex.join([python(), str(script.with_name(TOOLS[name])), *words])
    return shlex.join(["backbones", name, *words])


def python() -> str:
    """sys.executable, relative to the working directory if inside it."""
    program = Path(sys.executable)
    inside = program.is_relative_to(Path.cwd())
    return str(program.relative_to(Path.cwd()) if inside else program)


def resume_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The command line that continues this run, from `sys.orig_argv` and the environment that
    torchrun set.
    """
    kept = [argument for argument in arguments if not argument.startswith("run.resume=")]
    kept.append("run.resume=auto")
    installed = len(kept) > 1 and Path(kept[1]).name == "backbones"
    if installed:
        kept = ["backbones", *kept[2:]]
    if "TORCHELASTIC_RUN_ID" not in environment:
        return shlex.join(kept)
    if installed:
        return shlex.join(["torchrun", "--no-python", *_processes(environment), *kept])
    script = [argument for argument in kept[1:] if argument != "-u"]  # torchrun adds it
    launcher = [kept[0], "-m", "torch.distributed.run", *_processes(environment)]
    return shlex.join(launcher + script)


def _processes(environment: Mapping[str, str]) -> list[str]:
    """torchrun's options for the same processes."""
    options = ["--nproc-per-node", environment["LOCAL_WORLD_SIZE"]]
    if environment.get("GROUP_WORLD_SIZE", "1") == "1":
        return [*options, "--standalone"]  # takes a free port
    options += ["--nnodes", environment["GROUP_WORLD_SIZE"]]
    options += ["--node-rank", environment["GROUP_RANK"]]
    options += ["--master-addr", environment["MASTER_ADDR"]]
    return [*options, "--master-port", environment["MASTER_PORT"]]
