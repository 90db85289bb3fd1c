"""What a run reports: metrics.jsonl with one row a step, TensorBoard, a progress bar or plain
lines, and curves.png.
"""

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tasks.engine.curves import draw_curves
from tasks.engine.distributed import World
from tasks.engine.run_folder import METRICS, write_text

Row = dict[str, Any]


class RunLog:
    """The reports of one run; only rank 0 writes.  Use it as a context manager."""

    def __init__(self, output_dir: str | Path, world: World, steps: int) -> None:
        self.folder, self.steps, self.active = Path(output_dir), steps, world.is_main
        self.rows: list[Row] = []
        self.writer: Any = None
        self.bar: Any = None

    def start(self, step: int) -> None:
        """Begin after `step` finished steps: drop later rows and open TensorBoard and the progress
        bar.
        """
        if not self.active:
            return
        from torch.utils.tensorboard.writer import SummaryWriter
        from tqdm import tqdm

        path = self.folder / METRICS
        self.rows = (
            [row for row in read_metrics(path) if row["step"] <= step] if path.exists() else []
        )
        write_text(path, "".join(map(_line, self.rows)))
        self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)
        if _shows_a_bar():
            self.bar = tqdm(
                total=self.steps, initial=step, unit="step", dynamic_ncols=True, smoothing=0.05
            )

    def advance(self) -> None:
        """Move the progress bar on by one step."""
        if self.bar is not None:
            self.bar.update()

    def note(self, text: str) -> None:
        """Print a line for people; it goes above the progress bar."""
        if self.bar is not None:
            self.bar.write(text)
        elif self.active:
            print(text, flush=True)

    def train(self, step: int, row: Mapping[str, float], seconds_left: float) -> None:
        """Report the means of the steps since the last report; `row` has loss, lr, images_per_s and
        data_share.
        """
        self.write(step, row)
        speed = f"{row['images_per_s']:.1f} images/s  data {row['data_share']:.0%}"
        text = f"loss {row['loss']:.4g}  lr {row['lr']:.4g}  {speed}"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        else:
            self.note(f"step {step}/{self.steps}  {text}  left {clock(seconds_left)}")

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Add values to the row of a step, which makes a new row unless the last one is of that
        step.
        """
        if not self.active:
            return
        plain = {key: _plain(value) for key, value in values.items()}
        for key, value in plain.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(key, value, step)
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1].update(plain)
            write_text(self.folder / METRICS, "".join(map(_line, self.rows)))
            return
        self.rows.append({"step": step, **plain})
        with (self.folder / METRICS).open("a") as file:
            file.write(_line(self.rows[-1]))

    def flush(self) -> None:
        """Hand TensorBoard's rows to the system, so that none is lost when the process is
        killed.
        """
        if self.active:
            self.writer.flush()

    def draw(self) -> None:
        """Redraw curves.png from the rows so far."""
        if self.active:
            draw_curves(self.rows, self.folder / "curves.png")

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.writer is not None:
            self.writer.close()


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl; a last line that a killed process left unfinished is dropped."""
    lines = path.read_text().split("\n")
    return [
        json.loads(line) for line in lines[:-1]
    ]  # what follows the last line break is unfinished, or nothing


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as 0:04:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _shows_a_bar() -> bool:
    """Whether progress goes to a terminal; containers may have one of no columns, in which a bar
    would be invisible.
    """
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _plain(value: Any) -> Any:
    """A value for JSON, which knows no NaN: null stands for one."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
