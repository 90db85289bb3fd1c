"""Where a model's weights come from when a training begins."""

from dataclasses import dataclass

from tasks.engine.checkpoint import Checkpoint, is_checkpoint, read_checkpoint
from tasks.engine.run_files import shipped_checkpoint


@dataclass(frozen=True)
class Start:
    """Where a model's weights come from: a checkpoint, or else backbone weights or none."""

    checkpoint: Checkpoint | None
    resumed: bool = False
    """Whether the checkpoint is this run's own; the loop restores its weights later."""

    @classmethod
    def of(cls, weights: str | None) -> "Start":
        """Where the weights of the setting model.weights are."""
        if weights is None:
            return cls(None)
        path = shipped_checkpoint(weights) or weights
        return cls(read_checkpoint(path) if is_checkpoint(path) else None)
