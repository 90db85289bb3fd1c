"""Record a run's versions, hardware, commit and command line."""

import os
import platform
import subprocess
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from tasks.cores import usable_cores
from tasks.engine.distributed import World

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


def describe_environment(world: World) -> dict[str, Any]:
    """Versions, hardware, commit and command line of this process."""
    gpu = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else None
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": list(sys.orig_argv),
        "folder": str(Path.cwd()),
        "commit": find_commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
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


def find_commit() -> str | None:
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
