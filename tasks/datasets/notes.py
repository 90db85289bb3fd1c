"""Notes of a reader: what it corrected or left out, in words."""

from collections import Counter


class Notes:
    """Counts corrections and omissions by kind, with the first example of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, object] = {}

    def add(self, kind: str, example: object) -> None:
        """Count one more of a kind; `kind` is the text that follows the number."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, example)

    def lines(self) -> tuple[str, ...]:
        """Return a line for each kind, with its number and its first example."""
        return tuple(
            f"{count} {kind} (first: {self.examples[kind]})" for kind, count in self.counts.items()
        )
