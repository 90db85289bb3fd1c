"""`backbones watch`: the state of a running training.  Imports nothing heavy."""

from __future__ import annotations

import shutil
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_backbones.errors import UserError
from tasks.cli.command import Command

if TYPE_CHECKING:
    from tasks.engine.watching import Status

ENDED_WELL = "finished"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("--once", action="store_true", help="print the state once")
    parser.add_argument(
        "--every",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="seconds between two updates (default: 5)",
    )


def _run(arguments: Namespace, _: ArgumentParser) -> int:
    from tasks.engine.watching import read_status

    if not 0.1 <= arguments.every <= 86400:
        raise UserError(f"--every must be from 0.1 to 86400 seconds, got {arguments.every:g}")
    folder = Path(arguments.run)
    if arguments.once:
        print("\n".join(read_status(folder).lines()))
        return 0
    screen = _Screen() if sys.stdout.isatty() else _Lines()
    while True:
        status = read_status(folder)
        screen.show(status)
        if not status.is_running:
            return 0 if status.state == ENDED_WELL else 1
        time.sleep(arguments.every)


class _Lines:
    """A line for each change, for logs and pipes."""

    def __init__(self) -> None:
        self.last: tuple[int, str, str] | None = None

    def show(self, status: Status) -> None:
        """Print a status that is new."""
        seen = (status.step, status.state, status.score)
        if seen != self.last:
            print(f"{time.strftime('%H:%M:%S')}  {status.line()}", flush=True)
        if not status.is_running and status.detail:
            print(status.lines()[0], flush=True)
        self.last = seen


class _Screen:
    """A few lines of a terminal that are updated in place."""

    def __init__(self) -> None:
        self.height = 0

    def show(self, status: Status) -> None:
        """Replace the lines shown last."""
        width = shutil.get_terminal_size().columns
        lines = [line[: max(1, width - 1)] for line in status.lines()]  # no line takes two rows
        back = f"\x1b[{self.height}A\x1b[J" if self.height else ""
        print(back + "\n".join(lines), flush=True)
        self.height = len(lines)


COMMAND = Command(
    name="watch",
    summary="Show the progress of a running training until it ends.",
    details="Only reads the files of its folder, so the run may be on another machine with the same"
    " disk.  Exit status 1: the run was stopped, failed or was killed.",
    examples="""
backbones watch runs/quickstart
backbones watch runs/quickstart --once
backbones watch runs/quickstart > log.txt       a line for each change
""",
    add_arguments=_add_arguments,
    run=_run,
)
