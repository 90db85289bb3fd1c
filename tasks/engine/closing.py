"""What a finished run prints.  No torch here."""

from collections.abc import Sequence

Entry = tuple[str, object, str]
"""A name, or nothing where it goes on; a file or a command; and what it is."""


def closing_lines(data: object, table: str, entries: Sequence[Entry]) -> list[str]:
    """The table of scores on a data set, where everything is, and what to try next."""
    lines = ["", f"Scores on {data}:", table, ""]
    for name, what, note in entries:
        lines.append(f"{name:<13}{what}{'  ' if note else ''}{note}")
    return lines
