"""An evaluation of any task: its scores as a value, as evaluation.json and as text.

Scores are flat names to floats in 0–1, multiplied by 100 only where they are printed; a score that
nothing in the data set defines (a class without images or objects) is nan here, `n/a` in a table
and null in JSON.
"""

import heapq
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import few
from tasks.files import write_text

SETTINGS = "settings"
"""Key of the metadata for the nested settings of the scoring; these are not printed."""
NAMES_SHOWN = 10  # of the classes without ground truth
COLUMNS = 4  # of classes in the table
MOST_CLASSES = 60
"""Above it, a table or a page shows the worst classes only."""
WORST = 20  # classes in a table of many


@dataclass(frozen=True)
class ScoreSheet:
    """Scores of an evaluation with their origin, and as text."""

    scores: dict[str, float]
    """Flat names to numbers, those of evaluation.json."""
    metadata: Mapping[str, object]
    """What was scored."""
    notes: tuple[str, ...]
    """Notes about the data set: corrections and omissions."""
    files: tuple[Path, ...]
    """What was written."""
    page: str
    """The file of the report, or why there is none."""
    table: str
    """The scores as text for a terminal."""

    def __str__(self) -> str:
        return f"{self.table}\n\n{self.closing}"

    @property
    def closing(self) -> str:
        """All but the table, which is shown before anything is saved."""
        told = {name: value for name, value in self.metadata.items() if name != SETTINGS}
        lines = [f"{name}: {value}" for name, value in told.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"written: {file}" for file in self.files]
        return "\n".join([*lines, f"report: {self.page}"])


def write_evaluation(
    path: str | Path, scores: Mapping[str, float], metadata: Mapping[str, object]
) -> None:
    """Write the metadata and {"scores": {name: number}} as JSON.

    A score without ground truth is null, and so is a loss that is not finite.
    """
    numbers = {name: value if math.isfinite(value) else None for name, value in scores.items()}
    content = {**metadata, "scores": numbers}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(Path(path), text + "\n")


def class_scores(scores: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The scores below a prefix, such as `box/AP/`, by the names of their classes."""
    below: dict[str, float] = {}
    for name, value in scores.items():
        if name.startswith(prefix):
            below[name.removeprefix(prefix)] = value
    return below


def class_lines(title: str, by_class: Mapping[str, float], missing: str) -> list[str]:
    """Lines of a table with each class's score in columns, then the classes without one.

    `missing` is what those lack.
    """
    scored: dict[str, float] = {}
    absent: list[str] = []
    for name, value in by_class.items():
        if math.isnan(value):
            absent.append(name)
        else:
            scored[name] = value
    lines = [title, *_columns(scored)]
    if absent:
        lines.append(f"no {missing} (n/a): {few(absent, NAMES_SHOWN)}")
    return lines


def worst_class_lines(
    score: str, scores: Mapping[str, float], prefix: str, missing: str
) -> list[str]:
    """The `class_lines` of the scores below a prefix; of many classes those of the worst.

    `score` is what they are called.
    """
    by_class = class_scores(scores, prefix)
    title = f"{score} by class"
    if len(by_class) > MOST_CLASSES:
        title = f"{score} of the worst {WORST} of {len(by_class)} classes"
        defined = [pair for pair in by_class.items() if not math.isnan(pair[1])]
        worst = heapq.nsmallest(WORST, defined, key=lambda pair: pair[1])
        undefined = [pair for pair in by_class.items() if math.isnan(pair[1])]
        by_class = dict([*worst, *undefined])
    return class_lines(title, by_class, missing)


def percent_cell(value: float, width: int = 7) -> str:
    """A score times 100, `width` characters wide."""
    return f"{'n/a' if math.isnan(value) else format(100 * value, '.1f'):>{width}}"


def _columns(scored: Mapping[str, float]) -> Sequence[str]:
    """Lines of several names with their percents."""
    width = max((len(name) for name in scored), default=0)
    cells = [f"  {name:<{width}}{percent_cell(value)}" for name, value in scored.items()]
    starts = range(0, len(cells), COLUMNS)
    return ["".join(cells[start : start + COLUMNS]) for start in starts]
