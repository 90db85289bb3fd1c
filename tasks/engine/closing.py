"""What a finished run prints.  No torch here."""

from collections.abc import Sequence
from pathlib import Path

from tasks.engine.commands import command

Entry = tuple[str, object, str]
"""A name, or nothing where it goes on; a file or a command; and what it is."""


def picture_entries(
    folder: Path, network: str, checkpoint: Path, images: Path, report: str
) -> list[Entry]:
    """Those of a task that makes pictures: where everything is, and images to try it on."""
    return [
        ("Report", report, ""),
        ("Pictures", folder / "predictions.png", "ground truth beside predictions"),
        ("", folder / "curves.png", "losses and scores"),
        (network, checkpoint, ""),
        ("Try next", command("predict", folder, images, "--out", folder / "found"), ""),
    ]


def closing_lines(data: object, table: str, entries: Sequence[Entry]) -> list[str]:
    """The table of scores on a data set, where everything is, and what to try next."""
    lines = ["", f"Scores on {data}:", table, ""]
    for name, what, note in entries:
        lines.append(f"{name:<13}{what}{'  ' if note else ''}{note}")
    return lines
