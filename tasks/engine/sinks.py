"""Where a run's reports go: console, metrics.jsonl, TensorBoard.  A tracker is one more `Sink`."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, TypeVar

from tasks.files import write_text, writing
from tasks.metrics_file import Row

T = TypeVar("T")
PATIENCE = 20.0  # seconds without a line after which a long stage prints its progress


class Sink:
    """Receives a run's reports; override the methods you need. Only rank 0 has sinks."""

    optional = True
    """Whether the run continues without this sink if it fails."""
    scores: Set[str] = frozenset()
    """Names of the scores, which are shares of 1, in the rows so far; the log sets it."""

    def start(self, step: int, rows: list[Row]) -> None:
        """Begin after `step` finished steps, with the rows so far; later rows are discarded."""

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        """Receive the values added to a step's row, and the whole row; both contain the step."""

    def picture(self, file: Path, step: int) -> None:
        """Receive a picture file that was redrawn after a step."""

    def flush(self) -> None:
        """Flush everything to the system, so that nothing is lost if the process is killed."""

    def close(self) -> None:
        """End the reports."""

    def shown(self, row: Row) -> dict[str, float]:
        """Return a row's numbers for people, scores in percent; without the step."""
        numbers: dict[str, float] = {}
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                numbers[name] = 100 * float(value) if name in self.scores else float(value)
        return numbers


class MetricsFile(Sink):
    """metrics.jsonl: one JSON object a line, one line a step."""

    optional = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []

    def start(self, step: int, rows: list[Row]) -> None:
        """Write the rows that are kept."""
        self.rows = rows
        self._rewrite()

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        """Append a row, or write all rows again if the last one changed."""
        if not is_new:
            self._rewrite()
            return
        with writing(self.path), self.path.open("r+") as file:  # a new file would lack rows
            file.seek(0, os.SEEK_END)
            file.write(_line(whole))

    def flush(self) -> None:
        """Make the rows survive a power cut."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def _rewrite(self) -> None:
        write_text(self.path, "".join(map(_line, self.rows)))


class TensorBoard(Sink):
    """Scalars for `tensorboard --logdir`, scores in percent.

    A resumed run writes its points again: TensorBoard reads files by the clock times in their
    names, and would lose points if the clock went back. The last row of the earlier process is held
    until it is complete: a run killed in an evaluation scores its step again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None
        self.held: Row = {}

    def start(self, step: int, rows: list[Row]) -> None:
        """Replace earlier processes' files by one with the rows so far."""
        from torch.utils.tensorboard.writer import SummaryWriter

        for earlier in self.folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        self.writer = SummaryWriter(str(self.folder))
        for row in rows[:-1]:
            self._add(row)
        self.held = dict(rows[-1]) if rows else {}

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        """Add the new numbers, after the held row if this is another one."""
        if self.held and not is_new:
            self.held.update(added)
            return
        self._release()
        self._add(added)

    def flush(self) -> None:
        """Flush the points to the system."""
        self._release()
        self.writer.flush()

    def close(self) -> None:
        """Close the writer."""
        if self.writer is not None:
            self._release()
            self.writer.close()

    def _release(self) -> None:
        self._add(self.held)
        self.held = {}

    def _add(self, row: Row) -> None:
        for name, value in self.shown(row).items():
            self.writer.add_scalar(name, value, row["step"])


class Console:
    """Lines for people, and in a terminal a progress bar below them."""

    def __init__(self) -> None:
        self.bar: Any = None

    def open_bar(self, step: int, steps: int | None, unit: str = "step") -> None:
        """Show the progress of training; `steps` None is an unknown length."""
        from tqdm import tqdm

        if shows_a_bar():
            self.bar = tqdm(
                total=steps, initial=step, unit=unit, dynamic_ncols=True, smoothing=0.05
            )

    def advance(self) -> None:
        """Move the bar on by one step."""
        if self.bar is not None:
            self.bar.update()

    def set_total(self, steps: int) -> None:
        """Set the length of a bar of unknown length."""
        if self.bar is not None:
            self.bar.total = steps

    def close_bar(self) -> None:
        """Close the bar, so that no finished bar stays while other work goes on."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def note(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.write(text)
        else:
            print(text, flush=True)

    def track(
        self,
        items: Iterable[T],
        text: str,
        total: int,
        unit: str = "image",
        size: Callable[[T], int] = lambda item: 1,
    ) -> Iterator[T]:
        """Yield the items of a stage, each of `size(item)` units, and show the progress."""
        if shows_a_bar():
            yield from _with_a_bar(items, text, total, unit, size)
            return
        self.note(f"{text}: {total} {unit}s")
        shown = time.monotonic()
        done = 0
        for item in items:
            yield item
            done += size(item)
            if time.monotonic() - shown > PATIENCE:
                self.note(f"{text}: {done} of {total}")
                shown = time.monotonic()


def _with_a_bar(
    items: Iterable[T], text: str, total: int, unit: str, size: Callable[[T], int]
) -> Iterator[T]:
    from tqdm import tqdm

    with tqdm(desc=text, total=total, unit=unit, leave=False, dynamic_ncols=True) as bar:
        for item in items:
            yield item
            bar.update(size(item))


def shows_a_bar() -> bool:
    """Whether progress goes to a terminal of some size; in containers it may have no columns or
    lines, and a bar would be invisible.
    """
    return sys.stderr.isatty() and min(os.get_terminal_size(sys.stderr.fileno())) > 0


def plain_row(values: Mapping[str, Any]) -> Row:
    """Convert values for JSON, which has no NaN: null stands for it."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
