"""What a reader corrected or left out, in words."""

from collections import Counter


class Notes:
    """Counts by kind of what was corrected or left out, with the first example of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, object] = {}

    def add(self, kind: str, example: object) -> None:
        """Count one more of a kind, which is said in the words that follow its number."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, example)

    def lines(self) -> tuple[str, ...]:
        """Say each kind with its number and its first example."""
        return tuple(
            f"{count} {kind} (first: {self.examples[kind]})" for kind, count in self.counts.items()
        )
