"""Shared by all benchmarks: variants in turn, medians of the ratios of each round, and reports as
table, JSON and Markdown.

The variants are called A B C A B C …, so that a change of the machine's speed affects a whole
round. A figure is the median over the rounds of (seconds of the base / seconds of the variant).
"""

import importlib.metadata
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from resnet_backbones.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "pycocotools",
    "hotcoco",
    "detectron2",
    "segmentation_models_pytorch",
)


class OutputsDifferError(Exception):
    """Two variants compute different outputs, so their times cannot be compared."""


@dataclass(frozen=True)
class Goal:
    """A goal: `variant` is at least `factor` times as fast as `base`."""

    variant: str
    base: str
    factor: float


@dataclass(frozen=True)
class Timings:
    """Seconds of each variant by round."""

    title: str
    seconds: Mapping[str, Sequence[float]]
    goals: tuple[Goal, ...] = ()
    work: int = 1
    """Number of images, or other units of work, in one call."""
    least: Mapping[str, float] = field(default_factory=dict)
    """Least seconds that the arithmetic of a variant can take on this machine, if measured."""

    @property
    def base(self) -> str:
        """The first variant, whose ratio is 1.00."""
        return next(iter(self.seconds))

    def ratio(self, variant: str, base: str | None = None) -> float:
        """How many times as fast as `base` the variant was, the median over the rounds."""
        pairs = zip(self.seconds[base or self.base], self.seconds[variant], strict=True)
        return median(other / own for other, own in pairs)

    def table(self) -> list[str]:
        """The ratios as a Markdown table."""
        limit = ("of the limit",) if self.least else ()
        rows: list[tuple[str, ...]] = [("variant", "ms", "per s", "times as fast", *limit, "goal")]
        for name, seconds in self.seconds.items():
            typical = median(seconds)
            figures = (
                f"{1000 * typical:.1f}",
                f"{self.work / typical:.2f}",
                f"{self.ratio(name):.2f}",
            )
            share = (f"{self.least[name] / typical:.0%}",) if self.least else ()
            rows.append((name, *figures, *share, "; ".join(self._judged(name))))
        return markdown_table(rows)

    def as_json(self) -> dict[str, object]:
        """All seconds measured, and the ratios, as JSON."""
        return {
            "title": self.title,
            "work": self.work,
            "seconds": {name: list(values) for name, values in self.seconds.items()},
            "ratios": {name: self.ratio(name) for name in self.seconds},
            "least_seconds": dict(self.least),
            "goals": [
                {
                    "variant": goal.variant,
                    "base": goal.base,
                    "factor": goal.factor,
                    "measured": self._measured(goal),
                }
                for goal in self.goals_measured()
            ],
        }

    def goals_measured(self) -> list[Goal]:
        """Goals whose variants were measured."""
        return [goal for goal in self.goals if {goal.variant, goal.base} <= self.seconds.keys()]

    def _measured(self, goal: Goal) -> float:
        return self.ratio(goal.variant, goal.base)

    def _judged(self, variant: str) -> list[str]:
        lines = []
        for goal in (goal for goal in self.goals_measured() if goal.variant == variant):
            reached = (
                "reached"
                if self._measured(goal) >= goal.factor
                else f"missed at {self._measured(goal):.2f}"
            )
            lines.append(f">= {goal.factor:g} x {goal.base}: {reached}")
        return lines


def interleave(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: bool = True,
    synchronize: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Seconds of each variant in each round. They are called in turn, after a round that does not
    count.

    `synchronize` waits for a device before the clock is started and before it is read.
    """
    if rounds < 1:
        raise UserError(f"--rounds must be >= 1, got {rounds}")
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(-1 if warm_up else 0, rounds):
        for name, call in variants.items():
            synchronize()
            started = time.perf_counter()
            call()
            synchronize()
            if number >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


@dataclass(frozen=True)
class Report:
    """The results of a benchmark."""

    name: str
    """Name of the written files, without suffix."""
    title: str
    checks: tuple[str, ...]
    """Lines about the outputs that were compared before the timing."""
    timings: tuple[Timings, ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The report as Markdown."""
        lines = [f"# {self.title}", ""]
        lines += [f"* {name}: {value}" for name, value in machine().items()]
        lines += ["", "Checked before timing:", "", *(f"* {check}" for check in self.checks)]
        for timings in self.timings:
            lines += ["", f"## {timings.title}", "", *timings.table()]
        rounds = len(next(iter(self.timings[0].seconds.values()))) if self.timings else 0
        lines += [
            "",
            (
                f"Medians over {rounds} rounds in which the variants took turns; ratios are taken"
                " in each round."
            ),
        ]
        lines += [f"\n{note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write <name>.json and <name>.md into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "title": self.title,
            **machine(),
            "checks": list(self.checks),
            "notes": list(self.notes),
            "timings": [timings.as_json() for timings in self.timings],
        }
        files = folder / f"{self.name}.json", folder / f"{self.name}.md"
        files[0].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        files[1].write_text(self.markdown(), encoding="utf-8")
        return files


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table whose columns are aligned; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def machine() -> dict[str, str]:
    """Hardware, versions, command and date."""
    return {
        "CPU": (
            f"{_cpu_model()}, {_cores()} cores,"
            f" {' '.join(_flags()) or 'none of ' + ' '.join(FLAGS)}"
        ),
        **_gpu_and_threads(),
        "versions": f"Python {platform.python_version()}, " + ", ".join(_versions()),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
    }


def _cpuinfo(*fields: str) -> str:
    """The first value in /proc/cpuinfo of any of the fields; empty on other systems."""
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.is_file() else []:
        name, _, value = line.partition(":")
        if name.strip() in fields:
            return value.strip()
    return ""


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _flags() -> list[str]:
    known = _cpuinfo("flags", "Features").split()
    return [flag for flag in FLAGS if flag in known]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu_and_threads() -> dict[str, str]:
    """GPU and threads of torch, if the benchmark imported it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    gpu = {"GPU": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return gpu | {"threads": str(torch.get_num_threads())}


def _versions() -> list[str]:
    found = []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
