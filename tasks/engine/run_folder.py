"""The folder of a run: refused when used, checked when resumed, and given its settings and
environment.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import AtomicFile
from tasks.engine.checkpoint_files import LAST
from tasks.engine.config import flatten, load_config, to_dict, to_yaml
from tasks.engine.distributed import World
from tasks.engine.settings import RunConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG, ENVIRONMENT, METRICS = "config.yaml", "environment.json", "metrics.jsonl"
MAY_CHANGE = (  # settings that a resumed run may change: none of them changes what is learnt
    "run.output_dir",
    "run.device",
    "run.deterministic",
    "run.eval_every",
    "run.save_every",
    "run.keep_every",
    "run.log_every",
    "run.best_metric",
    "run.resume",
    "data.workers",
    "data.check_sizes",
    "data.root",  # a data set may move; the checkpoint knows its classes
    "data.*.images",
    "data.*.annotations",
    "data.val.limit",
)
LIBRARIES = (
    "resnet-backbones",
    "torch",
    "torchvision",
    "numpy",
    "timm",
    "pycocotools",
    "hotcoco",
    "albumentations",
)


def check_output_dir(run: RunConfig, world: World, config: "DataclassInstance") -> Path:
    """`run.output_dir`, when the run may use it; writes nothing yet, and every rank calls it.

    UserError on every rank when the folder holds a run and `run.resume` is never, or when a
    resumed run changes a setting outside `MAY_CHANGE`.
    """
    folder = Path(run.output_dir)
    refusal = world.broadcast(_refusal(folder, run, config) if world.is_main else None)
    if refusal:
        raise UserError(refusal)
    return folder


def prepare_output_dir(run: RunConfig, world: World, config: "DataclassInstance") -> Path:
    """Check `run.output_dir` and write config.yaml and environment.json; every rank calls it.

    Call it when nothing else can be refused, so that a mistaken start leaves no used folder behind.
    """
    folder = check_output_dir(run, world, config)
    with world.sharing_errors():
        if world.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / CONFIG, to_yaml(config))
            _add_environment(folder / ENVIRONMENT, world)
    return folder


def _refusal(folder: Path, run: RunConfig, config: "DataclassInstance") -> str | None:
    """Why the folder cannot be used, or None."""
    if folder.exists() and not folder.is_dir():
        return f"run.output_dir must be a folder, got the file {folder}"
    used = [name for name in (CONFIG, METRICS, LAST) if (folder / name).exists()]
    if run.resume == "never" and used:
        seen = f"got {folder}, which holds {', '.join(used)}"
        verb = "continues that run" if LAST in used else "starts that run anew, as it saved nothing"
        return (
            f"run.output_dir must be unused, {seen}; run.resume=auto {verb}, or choose another"
            " folder"
        )
    if LAST not in used or CONFIG not in used:
        return None
    changes = list(_changes(folder / CONFIG, config))
    if not changes:
        return None
    way_out = "give the old values, or another run.output_dir to start anew"
    return (
        f"a resumed run must keep its settings, but {folder} was started with {'; '.join(changes)};"
        f" {way_out}"
    )


def _changes(saved: Path, config: "DataclassInstance") -> Iterator[str]:
    """Each setting that differs from the saved ones and may not."""
    old = dict(flatten(to_dict(load_config(type(config), saved, []))))
    for key, value in flatten(to_dict(config)):
        if old[key] != value and not any(fnmatch(key, pattern) for pattern in MAY_CHANGE):
            yield f"{key}={old[key]}, now {value}"


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears complete or not at all."""
    with AtomicFile(path) as file:
        file.write(text.encode())


def _add_environment(path: Path, world: World) -> None:
    """Append this start to the list of the run's starts; a resumed run has several."""
    starts = json.loads(path.read_text()) if path.exists() else []
    write_text(path, json.dumps([*starts, describe_environment(world)], indent=2) + "\n")


def describe_environment(world: World) -> dict[str, Any]:
    """Versions, hardware, commit and command line of this process."""
    gpu = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else None
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": list(sys.orig_argv),
        "folder": str(Path.cwd()),
        "commit": _commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": world.size,
        "device": str(world.device),
        "gpu": gpu,
        "cuda": torch.version.cuda,
        "versions": {name: version for name in LIBRARIES if (version := library_version(name))},
    }


def library_version(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """`git describe` of the working folder, with -dirty for local changes; None outside a
    repository or without git.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _processor() -> str:
    """Name of the CPU."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = next((line for line in lines if line.startswith("model name")), "")
    return named.partition(":")[2].strip() or platform.processor()
