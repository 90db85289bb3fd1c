#!/usr/bin/env python3
"""What is a backbone's training worth to a small detector?  The same recipe from several starts,
each with several seeds, scored while it trains.

studies/transfer.py --data data/shapes --recipe quickstart --start scratch \\
    --start classifier=runs/cls/weights.safetensors,model.norm=batch,model.freeze_through=none \\
    --steps 200 --eval-every 50 --seeds 3 --out runs/transfer

A start is `scratch` or weights as model.weights takes them, with a name before them if it is not to
be that of their folder, and settings of its own behind them. A recipe's model.norm=auto freezes
norms and the first stages of weights, but none from scratch: settings after `--` are for all
starts. Runs go to --out, those that were interrupted go on and finished ones are read back; so do
transfer.csv, transfer.md and transfer.png, the scores by step.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# benchmarks/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import markdown_table
from resnet_backbones.errors import UserError
from studies.common import (
    Curve,
    Spread,
    check_run,
    finished_curve,
    report_head,
    run_study,
    study_parser,
)
from tasks.cli.train import read_recipe
from tasks.engine.settings import TaskSettings
from tasks.files import AtomicFile, write_text

SCRATCH = "scratch"
Spreads = Mapping[str, Mapping[int, Spread]]
"""By start and finished steps."""


@dataclass(frozen=True)
class Start:
    """Where trainings start, and what is particular about them."""

    name: str
    weights: str | None
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Start:
        """Read `[NAME=]WEIGHTS[,section.key=value …]`, or `scratch` in place of the weights."""
        whole, *overrides = re.split(r",(?=[a-z_]+\.[a-z_.]+=)", text)
        named = re.fullmatch(r"([\w .+-]+)=(.+)", whole)
        weights = named.group(2) if named else whole
        name = named.group(1) if named else _name_of(whole)
        if not name or not weights:
            raise UserError(f"--start must be scratch or [NAME=]WEIGHTS, got {text!r}")
        return cls(name, None if weights == SCRATCH else weights, tuple(overrides))


@dataclass(frozen=True)
class Study:
    """What is trained, from which starts and how often."""

    recipe: str
    starts: tuple[Start, ...]
    seeds: int
    out: Path
    overrides: tuple[str, ...]
    """For all starts."""

    def config(self, start: Start, seed: int) -> TaskSettings:
        """The settings of one training; UserError for a wrong one, and for files that are not
        there.
        """
        weights = "null" if start.weights is None else f'"{start.weights}"'
        overrides = (
            *self.overrides,
            *start.overrides,
            f"model.weights={weights}",
            f"run.seed={seed}",
            f'run.output_dir="{self.out / f"{start.name}-{seed}"}"',
            "run.resume=auto",
        )
        task, config = read_recipe(self.recipe, overrides)
        task.check_files(config)
        check_run(config)
        settings: TaskSettings = config
        return settings

    def configs(self) -> dict[str, list[TaskSettings]]:
        """Those of all trainings by start, so that a mistake shows before any takes place."""
        return {
            start.name: [self.config(start, seed) for seed in range(self.seeds)]
            for start in self.starts
        }


def main() -> None:
    """Train all, then write table and plot."""
    study = read_study(_parser().parse_args())
    configs = study.configs()
    curves = {
        name: [finished_curve(config) for config in of_start] for name, of_start in configs.items()
    }
    metric = configs[study.starts[0].name][0].run.best_metric
    spreads = {name: spread_by_step(of_start) for name, of_start in curves.items()}
    report = as_markdown(spreads, metric)
    write_text(study.out / "transfer.csv", as_csv(spreads))
    write_text(study.out / "transfer.md", report)
    draw(spreads, metric, study.out / "transfer.png")
    print(report)


def read_study(given: argparse.Namespace) -> Study:
    """The study that the command line describes; UserError where it cannot be."""
    starts = tuple(Start.parse(text) for text in given.start)
    names = [start.name for start in starts]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        way_out = "write NAME=WEIGHTS"
        raise UserError(f"starts must have different names, got {twice[0]} twice; {way_out}")
    for name in ("seeds", "steps", "eval_every"):
        value = getattr(given, name)
        if value < 1:
            raise UserError(f"--{name.replace('_', '-')} must be >= 1, got {value}")
    overrides = (
        f'data.root="{given.data}"',
        f"schedule.steps={given.steps}",
        f"run.eval_every={given.eval_every}",
        *given.overrides,
    )
    return Study(given.recipe, starts, given.seeds, given.out, overrides)


def _name_of(weights: str) -> str:
    """The folder of a file of weights, or else the last part of what was written."""
    path = Path(weights)
    return (path.parent.name or path.stem) if path.suffix else path.name


def _parser() -> argparse.ArgumentParser:
    parser = study_parser(__doc__)
    parser.add_argument("--data", required=True, help="data set, the recipe's data.root")
    parser.add_argument(
        "--recipe", default="quickstart", help="a recipe's name or file (default: quickstart)"
    )
    parser.add_argument(
        "--start",
        action="append",
        required=True,
        metavar="[NAME=]WEIGHTS[,section.key=value]",
        help="where training starts: scratch, or weights; give it several times",
    )
    parser.add_argument("--steps", type=int, default=200, help="length (default: 200)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a start (default: 3)")
    parser.add_argument(
        "--eval-every", type=int, default=50, help="steps between scores (default: 50)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/transfer"), help="folder of the runs and results"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings of all starts"
    )
    return parser


def spread_by_step(curves: Sequence[Curve]) -> dict[int, Spread]:
    """The spread, times 100, at each evaluation that all trainings of a start have."""
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {step: Spread.of([100 * curve[step] for curve in curves]) for step in steps}


def as_csv(spreads: Spreads) -> str:
    """A line for each start and evaluation; the deviation of a single training is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("start", "step", "mean", "standard deviation", "trainings"))
    writer.writerows(_csv_rows(spreads))
    return text.getvalue()


def _csv_rows(spreads: Spreads) -> Iterator[tuple[object, ...]]:
    for name, of_start in spreads.items():
        for step, spread in of_start.items():
            yield name, step, spread.mean, spread.deviation, spread.count


def as_markdown(spreads: Spreads, metric: str) -> str:
    """The table, a row for each start."""
    steps = sorted({step for of_start in spreads.values() for step in of_start})
    rows = [("start", *(f"step {step}" for step in steps))]
    for name, of_start in spreads.items():
        rows.append((name, *(_cell(of_start.get(step)) for step in steps)))
    counts = {spread.count for of_start in spreads.values() for spread in of_start.values()}
    lines = report_head(f"{metric} by start, times 100")
    lines += [f"Mean and standard deviation of {max(counts)} trainings, by finished steps:", ""]
    return "\n".join([*lines, *markdown_table(rows)]) + "\n"


def _cell(spread: Spread | None) -> str:
    return "" if spread is None else " ± ".join(spread.shown())


def draw(spreads: Spreads, metric: str, path: Path) -> None:
    """A line of means for each start, in a band of one standard deviation to each side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, of_start in spreads.items():
        steps = list(of_start)
        means = [spread.mean for spread in of_start.values()]
        (line,) = axes.plot(steps, means, label=name, marker=".")
        low = [spread.mean - (spread.deviation or 0) for spread in of_start.values()]
        high = [spread.mean + (spread.deviation or 0) for spread in of_start.values()]
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_xlabel("step")
    axes.set_ylabel(f"{metric}, times 100")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with AtomicFile(path) as file:
        figure.savefig(file, format="png", dpi=110)


if __name__ == "__main__":
    run_study(main)
