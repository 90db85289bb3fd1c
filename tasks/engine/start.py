"""The source of a model's weights at the start of a training."""

from dataclasses import dataclass

from tasks.engine.checkpoint import Checkpoint, is_checkpoint, read_checkpoint
from tasks.engine.run_files import shipped_checkpoint


@dataclass(frozen=True)
class Start:
    """The source of a model's weights: a checkpoint, otherwise backbone weights or none."""

    checkpoint: Checkpoint | None
    resumed: bool = False
    """Whether the checkpoint is this run's own; the loop restores its weights later."""

    @classmethod
    def of(cls, weights: str | None) -> "Start":
        """Find the weights of the setting model.weights."""
        if weights is None:
            return cls(None)
        path = shipped_checkpoint(weights) or weights
        return cls(read_checkpoint(path) if is_checkpoint(path) else None)
