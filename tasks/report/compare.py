"""Shared by comparisons of two runs of any task: differences of scores, and of settings."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.report.run import evaluation_metadata
from tasks.scoring.evaluation import SETTINGS, percent_cell

CONFIG = "config.yaml"
VERSION_KEY = "settings_version"  # of the file's format, not a setting
NOT_COMPARED = ("run.output_dir", VERSION_KEY)
ABSENT = "absent"  # the value of a setting that one has and another has not
Setting = tuple[str, str, str]  # name, and the value in both runs
ReadSettings = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Brings nested settings, as some version wrote them, to the present form."""
COMPARED = (
    "step",
    "weights",
    "weights_hash",
    "device",
    "precision",
    "views",
    "exif",
    "max_detections",
)
"""Facts of an evaluation, besides settings, that may change scores."""


@dataclass(frozen=True)
class Difference:
    """A score of both runs, and the 95 % interval of b - a; nan if nothing defines it."""

    name: str
    a: float
    b: float
    interval: tuple[float, float]
    samples: int | None = None
    """Number of bootstrap samples behind the interval, if fewer than all."""

    def __str__(self) -> str:
        scores = f"{percent_cell(self.a, 8)}{percent_cell(self.b, 8)}"
        if math.isnan(self.a) or math.isnan(self.b):
            return f"{scores}{'n/a':>8}"
        low, high = self.interval
        sure = "  *" if low > 0 or high < 0 else ""
        fewer = "" if self.samples is None else f"  of {self.samples} samples"
        span = f"{100 * low:+.1f} to {100 * high:+.1f}{sure}{fewer}"
        return f"{scores}{100 * (self.b - self.a):>+8.1f}   {span}"


def as_written(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings as they stand in a file."""
    return values


def differing_settings(
    run_a: str | Path, run_b: str | Path, read: ReadSettings
) -> tuple[Setting, ...] | None:
    """Find the settings and other conditions of two evaluations that differ.

    They are those of evaluation.json, or else of the run's config.yaml, without the run's folder.
    None if an evaluation has neither.
    """
    settings_a = flat_settings(run_a, read)
    settings_b = flat_settings(run_b, read)
    if settings_a is None or settings_b is None:
        return None
    differing: list[Setting] = []
    for name in dict.fromkeys([*settings_a, *settings_b]):
        a = settings_a.get(name, ABSENT)
        b = settings_b.get(name, ABSENT)
        if a != b:
            differing.append((name, a, b))
    return (*differing, *_differing_facts(run_a, run_b))


def flat_settings(run: str | Path, read: ReadSettings) -> dict[str, str] | None:
    """Settings of a run or an evaluation by their full names, without the run's folder; None if
    there are none.
    """
    found = _settings(Path(run))
    if found is None:
        return None
    settings = {name: str(value) for name, value in _flat(read(found), "")}
    return {name: value for name, value in settings.items() if name not in NOT_COMPARED}


def _differing_facts(run_a: str | Path, run_b: str | Path) -> list[Setting]:
    """Facts that two evaluations both state and that differ."""
    facts_a = evaluation_metadata(run_a)
    facts_b = evaluation_metadata(run_b)
    differing: list[Setting] = []
    for name in COMPARED:
        if name in facts_a and name in facts_b and facts_a[name] != facts_b[name]:
            a, b = (str(facts[name]) for facts in (facts_a, facts_b))
            differing.append((f"evaluation: {name}", a, b))
    return differing


def settings_lines(settings: Sequence[Setting] | None) -> list[str]:
    """Lines about the settings that differ."""
    if settings is None:
        return ["settings: not compared, as one of the evaluations has none"]
    rows = [f"  {name}: {a} -> {b}" for name, a, b in settings]
    return ["settings that differ (a -> b)", *(rows or ["  none"])]


def interval_lines(title: str, rows: Sequence[Difference]) -> list[str]:
    """Lines of a table of differences."""
    width = max([len(row.name) for row in rows] + [len(title)])
    head = f"{title:<{width}}{'a':>8}{'b':>8}{'b - a':>8}   95 % interval"
    return [head, *(f"{row.name:<{width}}{row}" for row in rows)]


def partial_lines(samples: int, what: str) -> list[str]:
    """Line about samples that hold nothing of some class, if there are any."""
    if not samples:
        return []
    return [
        f"{samples} samples hold no {what} of some class: it is left out of their means, and the"
        " interval of a class is of the samples that hold it"
    ]


def _settings(folder: Path) -> Mapping[str, Any] | None:
    """Settings in a folder's evaluation.json, or else in the config.yaml of a run's folder or of
    the run that an evaluation/ lies in.
    """
    stated: Mapping[str, Any] | None = evaluation_metadata(folder).get(SETTINGS)
    if stated is not None:
        return stated
    for file in (folder / CONFIG, folder.resolve().parent / CONFIG):
        if file.is_file():
            return read_config(file)
    return None


def read_config(file: Path) -> Mapping[str, Any]:
    """Settings of a config.yaml; UserError if it is damaged."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        values = None
    if not isinstance(values, Mapping):
        raise UserError(f"{file} must hold the settings of a run, but it is damaged; leave it out")
    return values


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
