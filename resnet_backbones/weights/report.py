"""What became of a weights file. Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightReport:
    """Tensor names by their fate; `num_batches_tracked` counters are left out of every list."""

    source: str
    matched: tuple[str, ...]
    """Loaded."""
    missing: tuple[str, ...]
    """Needed by the backbone but not in the file; these keep their initial values."""
    unexpected: tuple[str, ...]
    """Left over in the file: the classifier, and stages that the asked levels do not need."""
    mismatched: tuple[str, ...]
    """"name: file (shape), backbone (shape)"; these keep their initial values."""
    notes: tuple[str, ...] = ()
    """What was assumed or adapted."""

    @property
    def needed(self) -> int:
        """Number of tensors that the asked levels need."""
        return len(self.matched) + len(self.missing) + len(self.mismatched)

    def __str__(self) -> str:
        lines = [f"weights {self.source}: {len(self.matched)} of {self.needed} tensors matched"]
        lines += [f"  missing: {_shorten(self.missing)}"] if self.missing else []
        lines += [f"  wrong shape: {_shorten(self.mismatched)}"] if self.mismatched else []
        lines += [f"  left over: {_shorten(self.unexpected)}"] if self.unexpected else []
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _shorten(names: tuple[str, ...], limit: int = 4) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
