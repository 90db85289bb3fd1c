"""Print the end of a finished run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.run_files import SAMPLES
from tasks.engine.stop import leaving_with

Entry = tuple[str, object, str]
"""A name, or "" on a continued line; a file or a command; and a note on it."""


class ImageFiles(Protocol):
    """A data set whose images are files of a folder."""

    @property
    def path(self) -> Path:
        """Its name in messages."""

    @property
    def image_root(self) -> Path:
        """The folder."""


def tell_of_pictures(
    launch: Launch[Any],
    network: str,
    data: ImageFiles,
    report: Callable[[Path], str],
    table: str,
) -> None:
    """Make a run's report, and print its scores, its files, and images to try it on; on the first
    rank.

    `report(folder)` returns the report's place, and `network` is the word for the model.
    """
    if not launch.world.is_main:
        return
    folder = launch.output_dir
    launch.log.note("making the report")
    missing = f"stopped before the report was made; {command('report', folder)} makes it"
    with leaving_with(f"{missing}; everything else is saved"):
        report_file = report(folder)
    entries: list[Entry] = [
        ("Report", report_file, ""),
        ("Pictures", folder / "predictions.png", "ground truth beside predictions"),
        ("", folder / "curves.png", "losses and scores"),
        *samples_entry(folder),
        (network, launch.best_checkpoint(), ""),
        ("Try next", command("predict", folder, data.image_root, "--out", folder / "found"), ""),
    ]
    launch.note(closing_lines(data.path, table, entries))


def samples_entry(folder: Path) -> list[Entry]:
    """List the picture of training images, if there is one."""
    picture = folder / SAMPLES
    return [("", picture, "training images as the network gets them")] if picture.exists() else []


def closing_lines(data: object, table: str, entries: Sequence[Entry]) -> list[str]:
    """Write the table of scores on a data set, the run's files, and what to try next."""
    lines = ["", f"Scores on {data}:", table, ""]
    for name, what, note in entries:
        lines.append(f"{name:<13}{what}{'  ' if note else ''}{note}")
    return lines
