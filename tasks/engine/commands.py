"""Command lines to print for people. Imports no torch."""

import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = "backbones"
TOOLS = Path(__file__).resolve().parents[2] / "tools"
"""The scripts of a checkout, one for each command; an installed package has none."""
IN_PYTHON = 'the same call again with run={"resume": "auto"}'


def command(name: str, *arguments: object, task: str | None = None) -> str:
    """Write a command line of ours: `backbones NAME …`, or the script in tools/ if this process was
    started through one.

    `task` is its short name in scripts, such as `det`; None for that of the started script.
    """
    words = [str(argument) for argument in arguments]
    script = _script(name, Path(sys.argv[0]), task)
    first = [program(PROGRAM), name] if script is None else [python(), str(script)]
    return shlex.join([*first, *words])


def program(name: str) -> str:
    """Write a program of this environment, or the started one, by its name, or by its path if the
    name alone would not find it.
    """
    started = Path(sys.argv[0])
    is_started = started.name == name and started.exists()
    own = started if is_started else Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not own.exists() or (found is not None and Path(found).resolve() == own.resolve()):
        return name
    return _shown(own)


def python() -> str:
    """sys.executable, relative to the working directory if inside it."""
    return _shown(Path(sys.executable))


def resume_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Write the command line that continues this run, from `sys.orig_argv` and torchrun's
    environment; a sentence if the settings were given in Python.
    """
    kept = [argument for argument in arguments if not argument.startswith("run.resume=")]
    started = Path(kept[1] if len(kept) > 1 and kept[1] != "-u" else "".join(kept[2:3]))
    installed = started.name == PROGRAM
    given = any(re.match(r"[a-z_]+\.[a-z_.]+=", argument) for argument in kept)
    if not (installed or given or _is_ours(started)):
        return IN_PYTHON
    kept.append("run.resume=auto")
    if installed:
        kept = [program(PROGRAM), *kept[2:]]
    if "TORCHELASTIC_RUN_ID" not in environment:
        return shlex.join(kept)
    if installed:
        launcher = [program("torchrun"), "--no-python"]
        return shlex.join([*launcher, *_processes(environment), *kept])
    script = [argument for argument in kept[1:] if argument != "-u"]  # torchrun adds it
    launcher = [kept[0], "-m", "torch.distributed.run", *_processes(environment)]
    return shlex.join(launcher + script)


def _script(name: str, started: Path, task: str | None) -> Path | None:
    """Find the script of a command beside the started one: of the same task if there is one, such
    as `eval_det.py` beside `train_det.py`.
    """
    if not _is_ours(started):
        return None
    task = task or started.stem.partition("_")[2]
    for file in (f"{name}_{task}.py", f"{name}.py", f"{name}_data.py"):
        if (TOOLS / file).is_file():
            return started.with_name(file)
    return None


def _is_ours(script: Path) -> bool:
    return script.name != "" and script.resolve().parent == TOOLS


def _shown(path: Path) -> str:
    """Write a path, relative to the working directory if inside it."""
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd()) if inside else path)


def _processes(environment: Mapping[str, str]) -> list[str]:
    """Write torchrun's options for the same processes."""
    options = ["--nproc-per-node", environment["LOCAL_WORLD_SIZE"]]
    if environment.get("GROUP_WORLD_SIZE", "1") == "1":
        return [*options, "--standalone"]  # takes a free port
    options += ["--nnodes", environment["GROUP_WORLD_SIZE"]]
    options += ["--node-rank", environment["GROUP_RANK"]]
    options += ["--master-addr", environment["MASTER_ADDR"]]
    return [*options, "--master-port", environment["MASTER_PORT"]]
