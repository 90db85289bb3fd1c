"""The page over several runs: their table, their curves on one axis, and settings that differ."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from tasks.files import write_text
from tasks.panels import score_title
from tasks.report.charts import Series, line_chart, line_sample
from tasks.report.page import Cell, page, paragraph, table
from tasks.report.run import COLORS, curve, training_axes
from tasks.report.several.compare import Several
from tasks.report.several.table import (
    FEW,
    Entry,
    differing_settings,
    make_columns,
)

LOSSES = {"loss": "Training loss", "val/loss": "Validation loss"}
DASHES = 2
"""Kinds of lines of one colour: solid and dashed. Runs beyond share a line with another one."""


def write_several(several: Several, file: Path) -> Path:
    """Write the page and return its path."""
    count = len(several.runs)
    title = f"{count} {several.task} {'run' if count == 1 else 'runs'}"
    sections = [("Runs", _runs_section(several))]
    curves = _curves_section(several)
    if curves:
        sections.append(("Curves", curves))
    sections.append(("Settings that differ", _settings_section(several)))
    subtitle = "; ".join(several.notes)
    write_text(file, page(title, subtitle, sections))
    return file


def _line(several: Several, number: int, points: Sequence[tuple[float, float]] = ()) -> Series:
    """The line of a run, alike in every chart and beside its name."""
    dashed = number // COLORS % DASHES == 1
    color = f"var(--s{number % COLORS})"
    return Series(several.names[number], points, color, dashed=dashed, dotted=True)


def _runs_section(several: Several) -> str:
    columns = make_columns(several.runs, several.scores)
    rows = []
    for number, name in enumerate(several.names):
        cells = [_cell(column.entries[number], column.is_text) for column in columns]
        sample = line_sample(_line(several, number))
        rows.append((f"{sample}{escape(name)}", cells))
    head = ("run", *(column.title for column in columns))
    note = (
        "Scores in percent, of the last evaluation of each run; the best is bold. Time is that of"
        " the training, without evaluations."
    )
    return paragraph(note) + _run_table(head, rows)


def _cell(entry: Entry, is_text: bool) -> Cell:
    text = escape(entry.text)
    shown = f"<b>{text}</b>" if entry.is_best else text
    return Cell(shown, text=is_text, order=entry.order)


def _curves_section(several: Several) -> str:
    """A chart for each loss and each of the first scores that some run has measured."""
    charts = [_chart(several, name, title, percent=False) for name, title in LOSSES.items()]
    for name in several.scores[:FEW]:
        heading = score_title(name)
        title = f"{heading[:1].upper()}{heading[1:]}, %"
        charts.append(_chart(several, name, title, percent=True))
    drawn = "".join(charts)
    if not drawn:
        return ""
    items = ""
    for number, name in enumerate(several.names):
        items += f"<li>{line_sample(_line(several, number))}{escape(name)}</li>"
    return f'<ul class="legend above">{items}</ul><div class="grid">{drawn}</div>'


def _chart(several: Several, name: str, title: str, *, percent: bool) -> str:
    """One measurement of all runs; empty where none has it."""
    lines = []
    for number, run in enumerate(several.runs):
        points = curve(name, run.rows, percent=percent)
        if points:
            lines.append(_line(several, number, points))
    if not lines:
        return ""
    last_step = max(run.step or 0 for run in several.runs)
    return line_chart(title, lines, training_axes(lines, last_step, percent), legend=False)


def _settings_section(several: Several) -> str:
    """A row for each run, as in the table above."""
    settings = differing_settings(several.runs)
    if not settings:
        return paragraph("All settings are alike, but for the folders of the runs.")
    columns = [_setting_cells(values) for _, values in settings]
    rows = []
    for number, name in enumerate(several.names):
        sample = line_sample(_line(several, number))
        rows.append((f"{sample}{escape(name)}", [cells[number] for cells in columns]))
    return _run_table(("run", *(name for name, _ in settings)), rows)


def _run_table(head: Sequence[str], rows: Sequence[tuple[str, list[Cell]]]) -> str:
    """A table whose rows are runs, with long names broken."""
    return f'<div class="runs">{table(head, rows)}</div>'


def _setting_cells(values: Sequence[str]) -> list[Cell]:
    """The values of a setting, aligned and sorted as numbers where all are."""
    numbers = [_number(value) for value in values]
    if None in numbers:
        return [Cell(escape(value), text=True) for value in values]
    return [Cell(value, order=number) for value, number in zip(values, numbers, strict=True)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
