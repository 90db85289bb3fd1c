"""A case."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Case:
    """A case by its seed, kind and number."""

    seed: int
    kind: str
    index: int

    @property
    def chance(self) -> Random:
        """What all that is drawn in it is drawn from, from the beginning."""
        return Random(str(self))

    def __str__(self) -> str:
        return f"{self.seed}:{self.kind}:{self.index}"
