"""Sections about a run's training, as HTML: curves, settings, command lines and machine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.metrics_file import read_metrics
from tasks.panels import choose_panels, is_score_panel, line_labels, panel_heading
from tasks.report.axes import Axes, Point, nice_ceiling, step_ticks
from tasks.report.charts import Series, line_chart
from tasks.report.page import facts, folded, paragraph
from tasks.run_start import found_where_started
from tasks.scoring.evaluation import SETTINGS

EVALUATION = "evaluation.json"
METRICS = "metrics.jsonl"
POINTS = 400  # of a curve at most; more are averaged, which a chart of 300 pixels does not show
COLORS = 6  # of lines in a chart; further lines repeat them dashed
HARDWARE = ("processor", "cores", "gpu", "device", "processes", "python", "system", "commit")


def training_section(folder: Path) -> str:
    """Draw the curves of metrics.jsonl; empty without one, as in the folder of an evaluation.

    Raises UserError for a file that is damaged.
    """
    file = folder / METRICS
    rows = read_metrics(file) if file.is_file() else []
    last_step = max([row["step"] for row in rows] + [1])
    panels = choose_panels(rows).items()
    charts = [_chart(title, names, rows, last_step) for title, names in panels]
    return f'<div class="grid">{"".join(charts)}</div>' if charts else ""


def data_section(entries: Iterable[tuple[str, str]], warnings: Iterable[str]) -> str:
    """List what was scored on, and what the reader of the data warns of."""
    notes = [("note", warning) for warning in warnings]
    return facts([*entries, *notes])


def settings_section(folder: Path, metadata: Mapping[str, Any]) -> str:
    """List what was evaluated and how, the machine, the commands, and config.yaml."""
    told = {name: value for name, value in metadata.items() if name != SETTINGS}
    parts = [facts((name.replace("_", " "), _shown(value)) for name, value in told.items())]
    if SETTINGS in metadata:
        text = yaml.safe_dump(metadata[SETTINGS], sort_keys=False, allow_unicode=True)
        scored_with = f"<pre>{escape(text)}</pre>"
        parts.append(folded("Settings of the evaluation", scored_with))
    starts = read_starts(folder)
    if starts:
        parts.append("<h3>Machine of the last start</h3>" + _machine(starts[-1]))
    parts.append("<h3>Commands</h3>" + _commands(starts, folder))
    config = folder / "config.yaml"
    if config.is_file():
        text = f"<pre>{escape(config.read_text(encoding='utf-8'))}</pre>"
        parts.append(folded("All settings (config.yaml)", text))
    return "".join(parts)


def evaluation_metadata(folder: str | Path) -> dict[str, Any]:
    """Read what a folder's evaluation.json says besides scores; empty where there is no file."""
    content = _load(Path(folder) / EVALUATION, {})
    return {name: value for name, value in content.items() if name != "scores"}


def finished_evaluation(folder: str | Path, needed: str, eval_command: str) -> dict[str, Any]:
    """Read the metadata of a folder's evaluation; UserError where `needed` is not among them.

    `eval_command` is how the user starts an evaluation.
    """
    metadata = evaluation_metadata(folder)
    if needed not in metadata:
        way_out = f"found none in {folder}; {eval_command} CHECKPOINT --out {folder} writes it"
        raise UserError(f"a report needs the {EVALUATION} of a finished evaluation, {way_out}")
    return metadata


def recorded_path(folder: str | Path, path: str | Path) -> Path:
    """A path in an evaluation.json, taken from where the run was started if it is not here."""
    for run in (Path(folder), Path(folder).resolve().parent):
        there = found_where_started(path, run)
        if there is not None:
            return there
    return Path(path)


def evaluated_scores(folder: str | Path) -> dict[str, Any]:
    """Read the scores of a folder's evaluation.json, null where nothing defines them."""
    scores: dict[str, Any] = _load(Path(folder) / EVALUATION, {}).get("scores", {})
    return scores


def read_starts(folder: Path) -> list[dict[str, Any]]:
    """Read how a run was started, each time, from its environment.json; empty without one."""
    starts: list[dict[str, Any]] = _load(folder / "environment.json", [])
    return starts


def _machine(start: Mapping[str, Any]) -> str:
    """Machine and libraries of the last start of a run."""
    versions = [f"{name} {version}" for name, version in start.get("versions", {}).items()]
    known = [(name, str(start[name])) for name in HARDWARE if start.get(name) is not None]
    return facts([*known, ("versions", ", ".join(versions))])


def _commands(starts: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The commands that started the run, and the one that makes the page."""
    lines = [" ".join(start["command"]) for start in starts if start.get("command")]
    lines.append(f"{_report_command(starts)} {folder}")
    commands = escape("\n".join(lines))
    lines_of_pre = f'<pre class="wraps">{commands}</pre>'
    return lines_of_pre + paragraph("The last line makes this page again.")


def _report_command(starts: Sequence[Mapping[str, Any]]) -> str:
    """Command that makes the page: a script, if one of the same folder started the run last."""
    words = starts[-1].get("command", []) if starts else []
    for word in words[1:]:
        script = Path(word)
        if script.parent.name == "tools" and script.suffix == ".py":
            return f"{words[0]} {script.with_name('report.py')}"
    return "backbones report"


def _chart(
    title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]], last_step: int
) -> str:
    """The lines of those names, which some row has; scores are in percent."""
    is_percent = is_score_panel(title)
    lines = []
    for number, (name, label) in enumerate(zip(names, line_labels(title, names), strict=True)):
        points = curve(name, rows, percent=is_percent)
        color = f"var(--s{number % COLORS})"
        lines.append(Series(label, points, color, dashed=number >= COLORS, dotted=True))
    return line_chart(panel_heading(title), lines, training_axes(lines, last_step, is_percent))


def training_axes(lines: Sequence[Series], last_step: int, percent: bool) -> Axes:
    """Axes from step 0 to the last one, and from 0 to what the lines reach, 1 percent at least."""
    values = [value for line in lines for _, value in line.points]
    highest = max([*values, 1.0]) if percent else max(values)
    heights = _range(min(values), highest)
    return Axes((0, max(last_step, 1)), heights, "step", x_ticks=step_ticks(max(last_step, 1)))


def curve(name: str, rows: Sequence[Mapping[str, Any]], *, percent: bool) -> list[Point]:
    """The values of a name at their steps; beyond POINTS, means of as many neighbours each."""
    factor = 100 if percent else 1
    measured = [row for row in rows if isinstance(row.get(name), int | float)]
    points: list[Point] = [(row["step"], factor * row[name]) for row in measured]
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), max(size, 1))]
    return [_mean_point(group) for group in groups]


def _range(lowest: float, highest: float) -> tuple[float, float]:
    """Ends of an axis of values, with 0 between them."""
    floor = -nice_ceiling(-lowest) if lowest < 0 else 0.0
    ceiling = 0.0 if floor < 0 and highest <= 0 else nice_ceiling(highest)
    return floor, ceiling


def _mean_point(group: Sequence[Point]) -> Point:
    """The last step of neighbouring points with the mean of their values."""
    return group[-1][0], sum(value for _, value in group) / len(group)


def _load(path: Path, otherwise: Any) -> Any:
    """The content of a JSON file, where there is one: of the kind of `otherwise`."""
    if not path.is_file():
        return otherwise
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # bytes that are not text raise ValueError
        content = None
    if not isinstance(content, type(otherwise)):
        kind = "object" if isinstance(otherwise, dict) else "list"
        raise UserError(
            f"{path} must be a JSON {kind}, as this package writes it; it is damaged, remove it"
        )
    return content


def _shown(value: Any) -> str:
    """A value of the metadata as a text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
