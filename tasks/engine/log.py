"""Reports of a run: rows to sinks, lines to people, and curves.png."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from resnet_backbones.errors import as_line
from tasks.engine.curves import draw_curves
from tasks.engine.distributed import World
from tasks.engine.run_files import METRICS
from tasks.engine.sinks import Console, MetricsFile, Sink, TensorBoard, plain_row
from tasks.metrics_file import Row, read_metrics
from tasks.score_names import score_names

T = TypeVar("T", bound=Sized)


class RunLog:
    """The reports of one run; only rank 0 reports. Use it as a context manager.

    Lines can be printed at once; files are opened by `start`.
    """

    def __init__(
        self,
        output_dir: str | Path,
        world: World,
        more: Sequence[Sink] = (),
        *,
        tensorboard: bool = True,
    ) -> None:
        self.folder = Path(output_dir)
        self.active = world.is_main
        self.console = Console()
        self.rows: list[Row] = []
        self.names: set[str] = set()
        self.scores: set[str] = set()
        self.sinks: list[Sink] = []
        self.steps: int | None = None
        self.pictures: list[Path] = []
        if self.active:
            self.sinks.append(MetricsFile(self.folder / METRICS))
            if tensorboard:
                self.sinks.append(TensorBoard(self.folder / "tensorboard"))
            self.sinks += more
        for sink in self.sinks:
            sink.scores = self.scores  # it grows

    def start(self, step: int, steps: int | None) -> None:
        """Begin training after `step` of `steps` (None: not known yet): drop later rows, open the
        sinks and the progress bar.
        """
        self.steps = steps
        if not self.active:
            return
        path = self.folder / METRICS
        rows = read_metrics(path) if path.exists() else []
        self.rows = [row for row in rows if row["step"] <= step]
        dropped = len(rows) - len(self.rows)
        if dropped:
            self.note(f"{path}: {dropped} rows after step {step} are left out and run again")
        for row in self.rows:
            self.learn_names(row)
        self._tell("start", step, self.rows)
        self.console.open_bar(step, steps)

    def set_total(self, steps: int) -> None:
        """Set the length of training, once it is known."""
        self.steps = steps
        self.console.set_total(steps)

    def advance(self) -> None:
        """Move the progress bar on by one step."""
        self.console.advance()

    def end_training(self) -> None:
        """Remove the progress bar; evaluation and report have their own lines."""
        self.console.close_bar()

    def note(self, text: str) -> None:
        """Print a line for people."""
        if self.active:
            self.console.note(text)

    def track(
        self, batches: Iterable[T], text: str, total: int, unit: str = "image"
    ) -> Iterator[T]:
        """Yield the batches of a stage other than training, `total` units in all, and show the
        progress.
        """
        if not self.active:
            return iter(batches)
        return self.console.track(batches, text, total, unit, len)

    def train(self, step: int, row: Mapping[str, float], seconds_left: float | None) -> None:
        """Report the means of the steps since the last report; `row` has loss, lr, images_per_s and
        data_share.
        """
        self.write(step, row)
        speed = f"{row['images_per_s']:.1f} images/s  data {row['data_share']:.0%}"
        left = "" if seconds_left is None else f"  left {clock(seconds_left)}"
        of = "" if self.steps is None else f"/{self.steps}"
        self.note(f"step {step}{of}  loss {row['loss']:.4g}  lr {row['lr']:.4g}  {speed}{left}")

    def learn_names(self, names: Iterable[str]) -> None:
        """Learn the names of measurements, to distinguish scores from losses: parts of the training
        loss come before those of the validation loss.
        """
        if not self.names.issuperset(names):
            self.names.update(names)
            self.scores.clear()
            self.scores.update(score_names(self.names))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Add values to the row of a step; a new row unless the last one is of that step."""
        if not self.active:
            return
        plain = plain_row(values)
        self.learn_names(plain)
        is_new = not self.rows or self.rows[-1]["step"] != step
        if is_new:
            self.rows.append({"step": step})
        self.rows[-1].update(plain)
        self._tell("row", {"step": step, **plain}, self.rows[-1], is_new=is_new)

    def flush(self) -> None:
        """Flush all reports to the system, so that none is lost if the process is killed."""
        self._tell("flush")

    def draw(self) -> None:
        """Redraw curves.png from the rows so far, and send the evaluation's pictures to the
        trackers.
        """
        if not self.active or not self.rows:
            return
        curves = self.folder / "curves.png"
        self.attempt("curves.png", lambda: draw_curves(self.rows, curves), curves)
        for picture in self.pictures:
            self._tell("picture", picture, self.rows[-1]["step"])
        self.pictures.clear()

    def attempt(self, name: str, make: Callable[[], object], picture: Path | None = None) -> None:
        """Make an optional file; a failure is reported in a line and does not end the run.

        A `picture` that was made goes to the trackers at the next `draw`.
        """
        try:
            make()
            if picture is not None and picture.exists():
                self.pictures.append(picture)
        except Exception as error:
            self.note(f"warning: {name} was not made: {_reason(error)}")

    def _tell(self, what: str, *args: Any, **named: Any) -> None:
        """Call a method of every sink; an optional sink that fails is left out from then on."""
        for sink in list(self.sinks):
            try:
                getattr(sink, what)(*args, **named)
            except Exception as error:
                if not sink.optional:
                    raise
                self.sinks.remove(sink)
                with suppress(Exception):  # it is reported once
                    sink.close()
                name = type(sink).__name__
                self.note(f"warning: {name} is left out: {_reason(error)}")

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.console.close_bar()
        self._tell("close")


def _reason(error: Exception) -> str:
    """Return the text of a UserError; for any other error with its type."""
    return as_line(error) or f"{type(error).__name__}: {error}"


def clock(seconds: float) -> str:
    """Write hours, minutes and seconds as 0:04:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
