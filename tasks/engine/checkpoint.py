"""Training checkpoints: tensors and JSON only, written beside and renamed, so that a killed save
harms nothing.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint_files import BEST, LAST, find_checkpoint
from tasks.engine.optim import Ema

FORMAT = 1
MUST_AGREE = ("label_map", "data")  # metadata that a resumed run must share with its checkpoint


@dataclass(frozen=True)
class Progress:
    """How far a run is, in JSON's types."""

    step: int = 0
    """Finished optimiser steps."""
    evaluated: int = 0
    """Steps that the last finished evaluation saw."""
    scores: dict[str, float] = field(default_factory=dict)
    """What that evaluation gave."""
    best: float | None = None
    """Best value of run.best_metric so far."""
    best_step: int = 0
    """Steps that the best checkpoint has seen."""
    window: dict[str, float] = field(default_factory=dict)
    """Sums of what the next log line is the mean of."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds, on the CPU."""

    progress: Progress
    model: dict[str, Tensor]
    """`state_dict()` of the trained model."""
    ema: dict[str, Tensor] | None
    """Its moving average, where the run kept one."""
    optimizer: dict[str, Any]
    metadata: dict[str, Any]
    """What the task gave: config, label_map, passport, task, versions."""

    @property
    def step(self) -> int:
        """Finished optimiser steps."""
        return self.progress.step

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: the moving average where there is one, as that is what was scored."""
        return self.model if self.ema is None else self.ema


class Checkpoints:
    """The checkpoint files of one run; `metadata` goes into each of them."""

    def __init__(self, output_dir: str | Path, metadata: Mapping[str, Any]) -> None:
        self.folder = Path(output_dir)
        self.metadata = json.dumps(
            metadata
        )  # fails here, and not at the first save, when it is not JSON

    def save(
        self,
        names: tuple[str, ...],
        progress: Progress,
        model: nn.Module,
        ema: Ema | None,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Write the run's state to each of the named files of its folder; call it on rank 0
        only.
        """
        content = {
            "format": FORMAT,
            "progress": json.dumps(asdict(progress)),
            "metadata": self.metadata,
            "model": model.state_dict(),
            "ema": None if ema is None else ema.model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        for name in names:
            with AtomicFile(self.folder / name) as file:
                torch.save(content, file)

    def restore(
        self, model: nn.Module, ema: Ema | None, optimizer: torch.optim.Optimizer
    ) -> Progress:
        """Load the last checkpoint into the run's parts; a fresh Progress where there is none.

        A checkpoint of other classes or data than the run's, or one with a moving average where the
        run has none or the other way round, raises UserError.
        """
        if not (self.folder / LAST).exists():
            return Progress()
        checkpoint = read_checkpoint(self.folder / LAST)
        self._refuse_other_data(checkpoint.metadata)
        if (checkpoint.ema is None) != (ema is None):
            raise UserError(f"optim.ema_decay must stay null or set when {self.folder} is resumed")
        model.load_state_dict(checkpoint.model)
        if ema is not None and checkpoint.ema is not None:
            ema.model.load_state_dict(checkpoint.ema)
        optimizer.load_state_dict(checkpoint.optimizer)
        return checkpoint.progress

    def _refuse_other_data(self, saved: Mapping[str, Any]) -> None:
        given = json.loads(self.metadata)
        for key in MUST_AGREE:
            if saved.get(key) != given.get(key):
                rule = f"a resumed run must keep its {key.replace('_', ' ')}"
                seen = (
                    f"the checkpoint in {self.folder} has {saved.get(key)!r} and the data give"
                    f" {given.get(key)!r}"
                )
                raise UserError(
                    f"{rule}, but {seen}; point data.* at the old data or choose another"
                    " run.output_dir"
                )


class AtomicFile:
    """A file that appears under its name complete or not at all; used as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.partial.open("wb")
        return self.file

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:
            self.file.close()
            self.partial.unlink()
            return
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.partial, self.path)  # noqa: PTH105 - tests kill the process exactly here
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)  # makes the new name survive a power cut
        os.close(folder)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint file, or of a run's folder the best checkpoint, or the last one where none
    was scored.
    """
    file = find_checkpoint(Path(path))
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch passes on whatever the bytes of a foreign file make its reader stumble over
        seen = f"{file}, which torch cannot read as tensors and JSON ({type(error).__name__})"
        raise UserError(f"a checkpoint must be a file that training wrote, got {seen}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        seen = (
            f"keys {sorted(content)[:5]}" if isinstance(content, dict) else type(content).__name__
        )
        raise UserError(
            f"a checkpoint must be of format {FORMAT}, got {seen} in {file}; model.weights takes"
            " bare weights"
        )
    progress = Progress(**json.loads(content["progress"]))
    metadata = json.loads(content["metadata"])
    return Checkpoint(progress, content["model"], content["ema"], content["optimizer"], metadata)


def is_checkpoint(path: str | Path) -> bool:
    """Whether a path is a checkpoint file or the folder of a run, rather than bare weights or
    nothing.
    """
    path = Path(path)
    if path.is_dir():
        return any((path / name).is_file() for name in (BEST, LAST))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (
        Exception
    ):  # whatever a file that is no checkpoint makes torch raise; its reader will say what is wrong
        return False
    return isinstance(content, dict) and {"format", "progress", "metadata"} <= content.keys()
