"""The table over several runs: what its cells say, which are best, and its lines for a terminal."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.panels import score_title
from tasks.report.compare import ABSENT
from tasks.report.several.read import OneRun
from tasks.written import duration

NOTHING = "-"
"""Text of a cell without a value."""
BEST = "*"
FEW = 3  # of the main scores that are in a terminal and have curves
OTHERS = 2  # runs with the most common value of a setting; more are counted, not named
LONGEST = 36  # characters of a cell in a terminal


@dataclass(frozen=True)
class Entry:
    """A cell."""

    text: str
    order: float | None = None
    """Number that a column is sorted by; None if unknown."""
    is_best: bool = False


@dataclass(frozen=True)
class Column:
    """A column, a cell for each run."""

    title: str
    entries: tuple[Entry, ...]
    is_text: bool = False
    in_terminal: bool = True

    @property
    def has_best(self) -> bool:
        """Whether a cell is marked."""
        return any(entry.is_best for entry in self.entries)


def run_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart: runs/a and runs/b are a and b."""
    parts = [folder.resolve().parts for folder in folders]
    distinct = len(set(parts))
    for count in range(1, max(map(len, parts))):
        ends = [Path(*one[-count:]) for one in parts]
        if len(set(ends)) == distinct:
            return [str(end) for end in ends]
    return [str(folder) for folder in folders]


def best_first(runs: Iterable[OneRun], score: str) -> list[OneRun]:
    """The runs by falling score, those without it last."""
    return sorted(runs, key=lambda run: -run.scores.get(score, -math.inf))


def have_same_data(runs: Iterable[OneRun]) -> bool:
    """Whether all scores that are known to be of a data set are of the same."""
    return len({run.scored_on for run in runs if run.scored_on}) < 2


def make_columns(runs: Sequence[OneRun], scores: Sequence[str]) -> list[Column]:
    """The columns of a table of runs; `scores` are the names of the main ones, in their order.

    Columns of which nothing is known are left out, but for the first score. Nothing is best where
    the runs were scored on different data.
    """
    speeds = _numbers([run.images_per_s for run in runs], "{:.1f}".format)
    times = _numbers([run.seconds for run in runs], duration)
    memory = _numbers([run.memory_gb for run in runs], "{:.1f}".format)
    score_columns = _score_columns(runs, scores)
    columns = [
        *score_columns[:FEW],
        Column("model", _texts(run.model for run in runs), is_text=True),
        Column("recipe", _texts(run.recipe for run in runs), is_text=True),
        Column("steps", tuple(_steps(run) for run in runs)),
        Column("images/s", speeds),
        Column("time", times),
        Column("GPU GiB", memory),
        *score_columns[FEW:],
    ]
    return [column for column in columns if column is columns[0] or _is_known(column)]


def table_lines(names: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The table for a terminal."""
    shown = [column for column in columns if column.in_terminal]
    texts = [["run", *map(_short, names)]]
    for column in shown:
        texts.append(_cells(column))
    widths = [max(map(len, cells)) for cells in texts]
    are_texts = [True, *(column.is_text for column in shown)]
    lines = []
    for row in zip(*texts, strict=True):
        cells = zip(row, widths, are_texts, strict=True)
        padded = [f"{cell:<{width}}" if text else f"{cell:>{width}}" for cell, width, text in cells]
        lines.append("  ".join(padded).rstrip())
    return lines


def differing_settings(runs: Sequence[OneRun]) -> list[tuple[str, list[str]]]:
    """The settings of which two runs have different values, with the value of each run; a run
    without settings has none, and counts for nothing.
    """
    names: dict[str, None] = {}
    for run in runs:
        names.update(dict.fromkeys(run.settings or ()))
    found: list[tuple[str, list[str]]] = []
    for name in names:
        values = [_setting(run, name) for run in runs]
        known = {value for run, value in zip(runs, values, strict=True) if run.settings}
        if len(known) > 1:
            found.append((name, values))
    return found


def settings_lines(names: Sequence[str], settings: Iterable[tuple[str, list[str]]]) -> list[str]:
    """A line for each setting with its values and the runs that have each, the rarest first."""
    lines = ["settings that differ"]
    for setting, values in settings:
        having: dict[str, list[str]] = {}
        for value, name in zip(values, names, strict=True):
            having.setdefault(value, []).append(name)
        *rare, (common, most) = sorted(having.items(), key=lambda pair: len(pair[1]))
        parts = [f"{value} in {', '.join(members)}" for value, members in rare]
        others = f"the other {len(most)}" if len(most) > OTHERS else ", ".join(most)
        lines.append(f"  {setting}: {'; '.join([*parts, f'{common} in {others}'])}")
    return lines if len(lines) > 1 else [*lines, "  none"]


def _steps(run: OneRun) -> Entry:
    """Finished steps, and of how many where there are more."""
    if run.step is None:
        return Entry(NOTHING)
    ended = run.total is None or run.step >= run.total
    return Entry(str(run.step) if ended else f"{run.step} of {run.total}", run.step)


def _score_columns(runs: Sequence[OneRun], names: Sequence[str]) -> list[Column]:
    comparable = have_same_data(runs)
    columns: list[Column] = []
    for place, name in enumerate(names):
        entries = _scores(runs, name, comparable)
        columns.append(Column(score_title(name), entries, in_terminal=place < FEW))
    return columns


def _texts(values: Iterable[str]) -> tuple[Entry, ...]:
    return tuple(Entry(value or NOTHING) for value in values)


def _numbers(values: Iterable[float | None], written: Callable[[float], str]) -> tuple[Entry, ...]:
    return tuple(
        Entry(NOTHING) if value is None else Entry(written(value), value) for value in values
    )


def _scores(runs: Sequence[OneRun], name: str, comparable: bool) -> tuple[Entry, ...]:
    """A score of each run in percent. The best are written like the highest one, where not all
    are.
    """
    values = [run.scores.get(name) for run in runs]
    texts = [NOTHING if value is None else f"{100 * value:.1f}" for value in values]
    known = {text for text in texts if text != NOTHING}
    best = max(known, key=float) if comparable and len(known) > 1 else None
    return tuple(
        Entry(text, value, is_best=text == best) for text, value in zip(texts, values, strict=True)
    )


def _is_known(column: Column) -> bool:
    return any(entry.text != NOTHING for entry in column.entries)


def _cells(column: Column) -> list[str]:
    """The title and the cells of a column in a terminal, where the best are marked behind."""
    if column.is_text:
        return [column.title, *(_short(entry.text) for entry in column.entries)]
    if not column.has_best:
        return [column.title, *(entry.text for entry in column.entries)]
    marked = [f"{entry.text}{BEST if entry.is_best else ' '}" for entry in column.entries]
    return [f"{column.title} ", *marked]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def _setting(run: OneRun, name: str) -> str:
    return NOTHING if run.settings is None else run.settings.get(name, ABSENT)
