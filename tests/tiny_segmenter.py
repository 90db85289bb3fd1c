"""A segmenter that trains in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.engine.config import load_config
from tasks.segmentation.config import SegmentationConfig

COLOURS = {"ground": (90, 90, 90), "blue": (30, 40, 200), "red": (210, 40, 30)}
COUNTS = {"train": 8, "val": 4}
SIZE = (48, 64)
SETTINGS = {
    "data.labels": "masks",
    "data.batch_size": 4,
    "data.workers": 0,
    "data.short_edge": "[48]",
    "data.long_edge": 64,
    "model.backbone": "resnet18",
    "model.norm": "group",
    "model.head.channels": 32,
    "model.head.pyramid_channels": 32,
    "optim.name": "adamw",
    "optim.lr": 0.003,
    "optim.reference_batch": 4,
    "schedule.name": "cosine",
    "schedule.steps": 4,
    "schedule.reference_steps": 4,
    "schedule.milestones": "[]",
    "schedule.warmup_steps": 1,
    "run.device": "cpu",
    "run.precision": "fp32",
    "run.eval_every": 0,
    "run.log_every": 2,
    "run.samples": 0,
}


def draw(split: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (48, 64, 3) with a blue and a red rectangle, and its labels (48, 64)."""
    random = np.random.default_rng([len(split), number])
    labels = np.zeros(SIZE, np.uint8)
    for label in (1, 2):
        top, left = random.integers(0, 24), random.integers(0, 32)
        labels[top : top + 22, left : left + 28] = label
    labels[:2] = 255
    colours = np.array([*COLOURS.values()])[np.minimum(labels, 2) * (labels < 255)]
    noise = random.integers(-20, 21, (*SIZE, 3))
    return np.clip(colours + noise, 0, 255).astype(np.uint8), labels


def write_masks(root: Path) -> Path:
    """A data set of images and masks in root/{train,val}/{images,masks}."""
    for split, count in COUNTS.items():
        for number in range(count):
            pixels, labels = draw(split, number)
            for folder, content in (("images", pixels), ("masks", labels)):
                file = root / split / folder / f"{number:03d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(file)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in COLOURS))
    return root


def arguments(root: Path, **changes: Any) -> list[str]:
    """Overrides for a training on a data set, with changes such as `model__norm="batch"`."""
    values = {**SETTINGS, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [f"data.root={root}", *(f"{name}={value}" for name, value in values.items())]


def tiny_config(root: Path, out: Path | None = None, **changes: Any) -> SegmentationConfig:
    """The settings of such a training."""
    overrides = arguments(root, **changes)
    if out is not None:
        overrides.append(f"run.output_dir={out}")
    return load_config(SegmentationConfig, None, overrides)
