"""A training run in miniature, used in process and as a script: `toy_run.py [section.key=value …]`.

Environment: KILL_AT=n kills the process in step n, KILL_RENAME=n before the n-th rename of last.pt,
KILL_WRITE=n in the middle of the n-th save, TERM_AT=n sends SIGTERM in step n (n@r on rank r),
SAVE_AT=n SIGUSR1,
POISON=n,m makes the first image of steps n and m NaN.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tasks.engine.batches import TensorBatch
from tasks.engine.config import load_config
from tasks.engine.distributed import World
from tasks.engine.evaluation import Evaluator, Score, SetScores
from tasks.engine.launch import Launch, launch_in
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings

IMAGES = 22
SIGNALS = {"KILL_AT": signal.SIGKILL, "TERM_AT": signal.SIGTERM, "SAVE_AT": signal.SIGUSR1}
LABEL_MAP = {"names": ["toy"]}


@dataclass(frozen=True, kw_only=True)
class ToyData:
    """Batches."""

    batch_size: int = 4
    """Images a step."""


@dataclass(frozen=True, kw_only=True)
class ToyConfig(TaskSettings):
    """A task's settings."""

    STEP_MEMORY: ClassVar = "raise optim.accumulate, or use less"
    SCORING_MEMORY: ClassVar = "score fewer"

    task: str = "toy"
    """Task."""

    data: ToyData = field(default_factory=ToyData)
    """Data."""
    norm: str = "group"
    """group or batch."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimiser."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """Schedule."""
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="box/AP"))
    """Run."""

    @property
    def batch_size(self) -> int:
        return self.data.batch_size


@dataclass(frozen=True)
class ToyBatch(TensorBatch):
    images: Tensor  # (B, 6)
    targets: Tensor  # (B,)
    image_ids: Tensor  # (B,)


class ToyBatches:
    def __init__(self, config: ToyConfig, world: World) -> None:
        self.config, self.world = config, world
        generator = torch.Generator().manual_seed(7)
        self.images = torch.randn(IMAGES, 6, generator=generator)
        self.targets = self.images.sin().sum(dim=1)

    @property
    def epoch_length(self) -> int:
        return batches_per_epoch(IMAGES, self.config.data.batch_size)

    def start(self, step: int) -> Iterator[ToyBatch]:
        size, accumulate = self.config.data.batch_size, self.config.optim.accumulate
        own = size // self.world.size
        while True:
            indices = global_batch(
                step, np.zeros(IMAGES, dtype=np.int64), size, self.config.run.seed
            )
            poisons = os.environ.get("POISON", "0").split(",")
            poisoned = str(step + 1) in poisons and self.world.rank == 0
            for part in np.array_split(indices[self.world.rank * own :][:own], accumulate):
                yield self.batch(part, poisoned)
                poisoned = False
            step += 1

    def batch(self, indices: np.ndarray, poisoned: bool) -> ToyBatch:
        images = self.images[indices].clone()
        if poisoned:
            images[0] = float("nan")
        return ToyBatch(images, self.targets[indices], torch.from_numpy(indices + 1))


class ToyModel(nn.Module):
    def __init__(self, norm: str) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.GroupNorm(2, 8) if norm == "group" else nn.BatchNorm1d(8)
        self.last = nn.Linear(8, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.norm(self.first(images)).tanh())[:, 0]


class ToyObjective(nn.Module):
    def __init__(self, model: ToyModel, step: int) -> None:
        super().__init__()
        self.model, self.calls = model, step

    def forward(self, batch: ToyBatch) -> dict[str, Tensor]:
        self.calls += 1
        for variable, number in SIGNALS.items():
            step, _, rank = os.environ.get(variable, "0").partition("@")
            restarted = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
            here = os.environ.get("RANK", "") == rank and not restarted
            if self.training and self.calls == int(step) and here:
                os.kill(os.getpid(), number)
        difference = self.model(batch.images) - batch.targets
        return {"square": difference.square().mean(), "tilt": 0.1 * difference.abs().mean()}


def evaluation(batches: ToyBatches) -> Score:
    def evaluate(model: nn.Module, step: int, final: bool) -> SetScores:
        difference = model(batches.images) - batches.targets
        error = float(difference.detach().square().mean())
        return SetScores({"box/AP": -error, "box/AR": -error}, {"square": error})

    return evaluate


ON_BEST: Callable[[nn.Module], None] | None = None


def route(config: ToyConfig, launch: Launch[ToyConfig]) -> dict[str, float]:
    batches = ToyBatches(config, launch.world)
    model = launch.build(lambda start: (ToyModel(config.norm), "a toy"), None)
    return launch.fit(
        model,
        ToyObjective(model, 0),
        batches,
        {"val": Evaluator(("box/AP", "box/AR", "box/AP/cat"), evaluation(batches))},
        {"label_map": LABEL_MAP},
        name_image=lambda image: f"{image:03d}.jpg",
        on_best=ON_BEST,
    )


def run(config: ToyConfig, world: World) -> dict[str, float]:
    return launch_in(world, config, route).scores


SETTINGS = (
    "run.device=cpu",
    "run.precision=fp32",
    "schedule.steps=12",
    "schedule.reference_steps=12",
    "schedule.milestones=[8]",
    "schedule.warmup_steps=2",
    "run.log_every=2",
    "run.save_every=3",
    "run.eval_every=6",
    "optim.lr=0.05",
    "optim.reference_batch=4",
)


def toy_config(output_dir: Path | str, *overrides: str) -> ToyConfig:
    return load_config(ToyConfig, None, [f"run.output_dir={output_dir}", *SETTINGS, *overrides])


def die_while_saving() -> None:
    """Replace the rename and the write of last.pt by ones that kill the process at the
    asked count.
    """
    counts = {"rename": 0, "write": 0}
    rename, write = os.replace, torch.save

    def counted_rename(source: Path, target: Path) -> None:
        counts["rename"] += Path(target).name == "last.pt"
        if counts["rename"] == int(os.environ.get("KILL_RENAME", "-1")):
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    def counted_write(content: object, file: object) -> None:
        counts["write"] += 1
        if counts["write"] == int(os.environ.get("KILL_WRITE", "-1")):
            file.write(b"half a file")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        write(content, file)

    os.replace, torch.save = counted_rename, counted_write


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    if "KILL_RENAME" in os.environ or "KILL_WRITE" in os.environ:
        die_while_saving()
    config = toy_config("unset", *arguments)
    world = World.create(config.run.device)
    try:
        run(config, world)
    finally:
        world.close()


if __name__ == "__main__":
    main(sys.argv[1:])
