"""A classifier that trains in seconds."""

from pathlib import Path
from typing import Any

from tasks.classification.config import ClassificationConfig
from tasks.engine.config import load_config

SETTINGS = {
    "data.batch_size": 6,
    "data.workers": 0,
    "augment.crop": "padded",
    "augment.size": 24,
    "augment.pad": 2,
    "test.resize": "null",
    "test.crop": 24,
    "model.backbone": "resnet20",
    "optim.lr": 0.05,
    "optim.reference_batch": 6,
    "schedule.steps": 6,
    "schedule.reference_steps": 6,
    "schedule.milestones": "[4]",
    "run.device": "cpu",
    "run.precision": "fp32",
    "run.eval_every": 0,
    "run.log_every": 3,
    "run.samples": 0,
}


def arguments(root: Path, **changes: Any) -> list[str]:
    """Overrides for a training on a data set, with changes such as `data__decoded=True`."""
    values = dict(SETTINGS)
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    return [f"data.root={root}", *(f"{name}={value}" for name, value in values.items())]


def tiny_config(root: Path, out: Path | None = None, **changes: Any) -> ClassificationConfig:
    """The settings of such a training."""
    overrides = arguments(root, **changes)
    if out is not None:
        overrides.append(f"run.output_dir={out}")
    return load_config(ClassificationConfig, None, overrides)
