"""What comparisons of two runs of any task share: differences of scores, and of settings."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.scoring.evaluation import percent_cell

VERSION_KEY = "settings_version"  # of the file's form, which is no setting
Setting = tuple[str, str, str]  # name, and the value in both runs
ReadSettings = Callable[[Path], Mapping[str, Any]]
"""The nested values of a config.yaml."""


@dataclass(frozen=True)
class Difference:
    """A score of both runs, and the 95 % interval of b - a; nan where nothing defines it."""

    name: str
    a: float
    b: float
    interval: tuple[float, float]
    samples: int | None = None
    """Bootstrap samples behind the interval, where they are fewer than all."""

    def __str__(self) -> str:
        scores = f"{percent_cell(self.a, 8)}{percent_cell(self.b, 8)}"
        if math.isnan(self.a) or math.isnan(self.b):
            return f"{scores}{'n/a':>8}"
        low, high = self.interval
        sure = "  *" if low > 0 or high < 0 else ""
        fewer = "" if self.samples is None else f"  of {self.samples} samples"
        span = f"{100 * low:+.1f} to {100 * high:+.1f}{sure}{fewer}"
        return f"{scores}{100 * (self.b - self.a):>+8.1f}   {span}"


def as_written(file: Path) -> Mapping[str, Any]:
    """Read the nested values of a YAML file as they stand there."""
    values: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return values


def differing_settings(
    run_a: str | Path, run_b: str | Path, read: ReadSettings
) -> tuple[Setting, ...] | None:
    """Find the settings of two runs that differ; the folder's own name is none.

    None where a run has no config.yaml.
    """
    file_a = _settings_file(Path(run_a))
    file_b = _settings_file(Path(run_b))
    if file_a is None or file_b is None:
        return None
    settings_a = dict(_flat(read(file_a), ""))
    settings_b = dict(_flat(read(file_b), ""))
    differing: list[Setting] = []
    for name in dict.fromkeys([*settings_a, *settings_b]):
        a = str(settings_a.get(name, "absent"))
        b = str(settings_b.get(name, "absent"))
        if a != b and name not in ("run.output_dir", VERSION_KEY):
            differing.append((name, a, b))
    return tuple(differing)


def settings_lines(settings: Sequence[Setting] | None) -> list[str]:
    """The lines that tell of `differing_settings`."""
    if settings is None:
        return ["settings: not compared, as not both folders hold a config.yaml"]
    rows = [f"  {name}: {a} -> {b}" for name, a, b in settings]
    return ["settings that differ (a -> b)", *(rows or ["  none"])]


def interval_lines(title: str, rows: Sequence[Difference]) -> list[str]:
    """The lines of a table of differences."""
    width = max([len(row.name) for row in rows] + [len(title)])
    head = f"{title:<{width}}{'a':>8}{'b':>8}{'b - a':>8}   95 % interval"
    return [head, *(f"{row.name:<{width}}{row}" for row in rows)]


def partial_lines(samples: int, what: str) -> list[str]:
    """The line that tells of samples that hold nothing of some class, where there are any."""
    if not samples:
        return []
    return [
        f"{samples} samples hold no {what} of some class: it is left out of their means, and the"
        " interval of a class is of the samples that hold it"
    ]


def _settings_file(folder: Path) -> Path | None:
    """The config.yaml of a run's folder or of the run that an evaluation/ lies in."""
    files = (folder / "config.yaml", folder.resolve().parent / "config.yaml")
    return next((file for file in files if file.is_file()), None)


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
