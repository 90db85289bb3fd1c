"""Report which tensors of a weights file were loaded.  Imports no torch."""

from dataclasses import dataclass


class PartialWeightsWarning(UserWarning):
    """Weights were loaded with strict=False, and some tensors of the network were missing."""


@dataclass(frozen=True)
class WeightReport:
    """Tensor names by outcome; `num_batches_tracked` counters are left out of every list.

    `matched`, `missing`, `mismatched` and `not_finite` are of the backbone; for a classifier's head
    the modules are listed.
    """

    source: str
    matched: tuple[str, ...]
    """Tensors that were loaded."""
    missing: tuple[str, ...]
    """Needed by the backbone but not in the file; these keep their initial values."""
    unexpected: tuple[str, ...]
    """Unused tensors in the file: of a classifier that was not requested, and of stages that the
    requested levels do not need."""
    mismatched: tuple[str, ...]
    """"name: file (shape), backbone (shape)"; these keep their initial values."""
    notes: tuple[str, ...] = ()
    """Notes on what was assumed or adapted."""
    not_finite: tuple[str, ...] = ()
    """Tensors of the file with infinite or nan values; these keep their initial values."""
    other_parts: tuple[str, ...] = ()
    """Outermost names of unused tensors of other networks, such as a detector's heads."""
    head_loaded: tuple[str, ...] = ()
    """Modules of the classifier's head that were loaded."""
    head_new: tuple[str, ...] = ()
    """Modules of the classifier's head that start at random."""

    @property
    def needed(self) -> int:
        """Number of tensors that the requested levels need."""
        return len(self.matched) + len(self.random)

    @property
    def random(self) -> tuple[str, ...]:
        """Tensors of the backbone that keep their initial values."""
        wrong = (entry.partition(":")[0] for entry in self.mismatched)
        return (*self.missing, *wrong, *self.not_finite)

    def faults(self, limit: int) -> list[str]:
        """The kinds of tensors that the backbone needs and did not get: the number of each, and the
        first `limit`.
        """
        kinds = {
            "missing": self.missing,
            "wrong shape": self.mismatched,
            "not finite": self.not_finite,
        }
        return [count(kind, names, limit) for kind, names in kinds.items() if names]

    def __str__(self) -> str:
        matched = f"{len(self.matched)} of {self.needed} tensors matched"
        random = [f"head {', '.join(self.head_new)}"] if self.head_new else []
        random += [f"{len(self.random)} of {self.needed} tensors"] if self.random else []
        if self.other_parts:
            left = f"{len(self.unexpected)} tensors are left over, of {', '.join(self.other_parts)}"
            lines = [f"weights {self.source}: only the backbone is loaded; {left}", f"  {matched}"]
            lines += [f"  random: {'; '.join(random)}"] if random else []
        elif random:
            lines = [f"weights {self.source}: random: {'; '.join(random)}", f"  {matched}"]
        else:
            lines = [f"weights {self.source}: {matched}"]
        lines += [f"  {fault}" for fault in self.faults(4)]
        lines += [f"  head: {', '.join(self.head_loaded)} loaded"] if self.head_loaded else []
        lines += [f"  left over: {shorten(self.unexpected)}"] if self.unexpected else []
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def count(kind: str, names: tuple[str, ...] | list[str], limit: int) -> str:
    """`12 missing: a, b and 10 more`."""
    return f"{len(names)} {kind}: {shorten(names, limit)}"


def shorten(names: tuple[str, ...] | list[str], limit: int = 4) -> str:
    """The first names, and the number of the others."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
