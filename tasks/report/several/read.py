"""Read the folder of a run or an evaluation for a comparison of several."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.metrics_file import Row, read_metrics
from tasks.report.compare import CONFIG, ReadSettings, flat_settings, read_config
from tasks.report.run import EVALUATION, METRICS, evaluated_scores, evaluation_metadata, read_starts
from tasks.report.title import HEADS, find_recipe

SCORED_ON = ("annotations", "data")
"""Facts of an evaluation that name its data."""
COUNTS = ("images", "objects", "classes")


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """A run, or an evaluation of something."""

    folder: Path
    model: str
    recipe: str
    """Recipe that the run was started with; empty if unknown, as for `model`."""
    step: int | None
    """Finished steps; None without a training."""
    total: int | None
    """Steps that were asked for; None where time decides, or nobody knows."""
    images_per_s: float | None
    seconds: float | None
    """Time of training without evaluations."""
    memory_gb: float | None
    """Most memory of a GPU that tensors took, in GiB."""
    scores: Mapping[str, float]
    """Those of the last evaluation that are defined; empty before the first."""
    scored_on: str
    """Name and size of the data set of those; empty where nobody knows."""
    settings: Mapping[str, str] | None
    """All settings by their full names; None of an evaluation that has none."""
    rows: Sequence[Row]
    """metrics.jsonl."""


def is_run(folder: Path) -> bool:
    """Whether a path is the folder of a run, or of an evaluation."""
    return any((folder / name).is_file() for name in (CONFIG, EVALUATION))


def named_task(folder: Path) -> object:
    """The task that a run's folder names; None where it names none, as those of 0.1.0."""
    named = evaluation_metadata(folder).get("task")
    if named is None and (folder / CONFIG).is_file():
        return read_config(folder / CONFIG).get("task")
    return named


def read_run(folder: Path, read_settings: ReadSettings) -> OneRun:
    """Read a folder for which `is_run` holds; UserError for a file in it that is damaged."""
    file = folder / METRICS
    rows = read_metrics(file) if file.is_file() else []
    settings = flat_settings(folder, read_settings)
    known = settings or {}
    trained = [row for row in rows if row.get("images_per_s")]
    speed = _mean_speed(trained)
    memory = [row["memory_gb"] for row in rows if row.get("memory_gb")]
    timed = known.get("schedule.minutes", "None") != "None"
    return OneRun(
        folder=folder,
        model=_model(known),
        recipe=_recipe(folder),
        step=rows[-1]["step"] if rows else None,
        total=None if timed else _whole(known.get("schedule.steps")),
        images_per_s=speed,
        seconds=_seconds(trained, speed, _whole(known.get("data.batch_size"))),
        memory_gb=max(memory, default=None),
        scores=_scores(folder, rows),
        scored_on=_scored_on(folder),
        settings=settings,
        rows=rows,
    )


def _model(settings: Mapping[str, str]) -> str:
    """Head, where there is a choice, and backbone."""
    backbone = settings.get("model.backbone", "")
    head = settings.get("model.head.kind")
    return f"{HEADS.get(head, head)}, {backbone}" if head and backbone else backbone


def _recipe(folder: Path) -> str:
    """The recipe's name, or that of the settings file, in the command of the first start."""
    starts = read_starts(folder)
    return find_recipe(starts[0].get("command", [])) if starts else ""


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _steps_between(trained: Sequence[Row]) -> list[int]:
    """The steps that each row reports."""
    ends = [0, *(row["step"] for row in trained)]
    return [later - earlier for earlier, later in itertools.pairwise(ends)]


def _mean_speed(trained: Sequence[Row]) -> float | None:
    """Images a second over all of a training, of rows that each have the speed of some steps."""
    steps = _steps_between(trained)
    times = [count / row["images_per_s"] for count, row in zip(steps, trained, strict=True)]
    return sum(steps) / sum(times) if sum(times) else None


def _seconds(trained: Sequence[Row], speed: float | None, batch_size: int | None) -> float | None:
    """The time in which the steps of the rows were taken."""
    if speed is None or batch_size is None:
        return None
    return float(trained[-1]["step"]) * batch_size / speed


def _scores(folder: Path, rows: Sequence[Row]) -> dict[str, float]:
    """The defined scores of evaluation.json, or else of the last row with weights that were
    scored.
    """
    found: Mapping[str, Any] = evaluated_scores(folder)
    if not found:
        found = next((row for row in reversed(rows) if "weights" in row), {})
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _scored_on(folder: Path) -> str:
    """The data set's file or folder, without all that is above, with its counts."""
    metadata = evaluation_metadata(folder)
    paths = [str(metadata[name]) for name in SCORED_ON if name in metadata]
    if not paths:
        return ""
    name = str(Path(*Path(paths[0]).parts[-2:]))  # val alone says little
    counts = [f"{metadata[name]} {name}" for name in COUNTS if name in metadata]
    return f"{name} ({', '.join(counts)})"
