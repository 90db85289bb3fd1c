"""A third task on the engine alone: regress the mean colour of an image, with dropout.
`mean_colour.py data.root=FOLDER run.output_dir=RUN [section.key=value …]` trains it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from tasks.engine.batches import TensorBatch
from tasks.engine.checkpoint import load_weights
from tasks.engine.config import load_config
from tasks.engine.evaluation import Evaluator, SetScores, mean_over_ranks, run_batches
from tasks.engine.launch import Launch, Run, launch
from tasks.engine.loading import Loader, Share
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.engine.saved import read_run
from tasks.engine.setting_declarations import may_change
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings
from tasks.engine.start import Start
from tasks.images import decode, find_images


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    root: str = may_change("")
    batch_size: int = 4
    workers: int = may_change(0)


@dataclass(frozen=True, kw_only=True)
class ColourConfig(TaskSettings):
    task: Literal["colour"] = "colour"
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=partial(OptimConfig, lr=0.1, reference_batch=4))
    schedule: ScheduleConfig = field(default_factory=partial(ScheduleConfig, steps=12))
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="colour/closeness"))

    @property
    def batch_size(self) -> int:
        return self.data.batch_size


@dataclass(frozen=True)
class ColourBatch(TensorBatch):
    images: Tensor  # (B, 3, H, W) uint8
    colours: Tensor  # (B, 3) in 0-1
    image_ids: Tensor  # (B,)


@dataclass(frozen=True)
class Plan:
    places: tuple[int, ...]

    def part(self, start: int, stop: int) -> "Plan":
        return Plan(self.places[start:stop])


@dataclass(frozen=True)
class ColourBatches:
    files: tuple[Path, ...]
    config: DataConfig
    share: Share = field(default_factory=Share)

    @property
    def epoch_length(self) -> int:
        return batches_per_epoch(len(self.files), self.config.batch_size)

    def plan(self, step: int) -> Plan:
        groups = np.zeros(len(self.files), dtype=np.int64)
        return Plan(tuple(global_batch(step, groups, self.config.batch_size, self.share.seed)))

    def load(self, plan: Plan) -> ColourBatch:
        pixels = np.stack([decode(self.files[place]) for place in plan.places])
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return ColourBatch(images, images.float().mean((2, 3)) / 255, torch.tensor(plan.places) + 1)

    def start(self, step: int) -> Iterator[ColourBatch]:
        loader = Loader(self.load, self.config.workers, self.share)
        return loader.training(self.plan, step, self.config.batch_size)

    def every_image(self) -> Iterator[ColourBatch]:
        places = range(self.share.rank, len(self.files), self.share.ranks)
        return Loader(self.load, self.config.workers).batches(Plan((place,)) for place in places)


class ColourModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(0.3), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 3, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.float() / 255).mean(dim=(2, 3))


class ColourObjective(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.kill_at = int(os.environ.get("KILL_AT", "0"))  # a micro-batch of this process

    def forward(self, batch: ColourBatch) -> dict[str, Tensor]:
        self.kill_at -= 1
        if self.kill_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"square": (self.model(batch.images) - batch.colours).square().mean()}


def run(config: ColourConfig, launch: Launch[ColourConfig]) -> dict[str, float]:
    files = tuple(launch.on_every_rank(find_images, config.data.root))
    batches = ColourBatches(files, config.data, launch.share)

    def build(start: Start) -> tuple[nn.Module, str]:
        return ColourModel(), "weights: resumed" if start.resumed else "weights: none"

    def evaluate(model: nn.Module, step: int, final: bool) -> SetScores:
        def compute(batch: ColourBatch) -> tuple[None, dict[str, Tensor]]:
            return None, {"square": (model(batch.images) - batch.colours).square().mean()}

        _, sums = run_batches(batches.every_image(), launch.world, compute)
        losses = mean_over_ranks(sums, launch.world)
        return SetScores({"colour/closeness": -losses["square"]}, losses)

    model = launch.build(build, None)
    evaluators = {"val": Evaluator(("colour/closeness",), evaluate)}
    return launch.fit(model, ColourObjective(model), batches, evaluators, metadata={})


def train(config: ColourConfig) -> Run:
    return launch(config, run)


def predict(path: Path, image: Path) -> list[float]:
    saved = read_run(path, ColourConfig, "colour")
    model = ColourModel()
    load_weights(model, saved.checkpoint.weights(), saved.path)
    with torch.no_grad():
        return model.eval()(torch.from_numpy(decode(image)).permute(2, 0, 1)[None])[0].tolist()


if __name__ == "__main__":
    train(load_config(ColourConfig, None, sys.argv[1:]))
