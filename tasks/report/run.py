"""What a run's folder tells of a training, as HTML: curves, settings, command lines and machine."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tasks.report.charts import Axes, Series, line_chart, nice_ceiling
from tasks.report.page import facts, folded, paragraph

PANELS = (
    ("Loss", ("loss", "val/loss")),
    ("Average precision, times 100", ("box/AP", "box/AP50", "box/AP75")),
    ("Average precision by size of object, times 100", ("box/APs", "box/APm", "box/APl")),
    ("Learning rate", ("lr",)),
)
POINTS = 400  # of a curve at most; more are averaged, which a chart of 300 pixels does not show
HARDWARE = ("processor", "cores", "gpu", "device", "processes", "python", "system", "commit")


def training_section(folder: Path) -> str:
    """Curves from metrics.jsonl; empty where there is none, as in the folder of an evaluation."""
    rows = _rows(folder / "metrics.jsonl")
    charts = [_chart(title, names, rows) for title, names in PANELS]
    drawn = "".join(chart for chart in charts if chart)
    return f'<div class="grid">{drawn}</div>' if drawn else ""


def settings_section(folder: Path, about: Mapping[str, Any]) -> str:
    """What was evaluated, the machine, the commands, and config.yaml."""
    parts = [facts((name.replace("_", " "), _shown(value)) for name, value in about.items())]
    starts = _load(folder / "environment.json", [])
    if starts:
        parts.append("<h3>Machine of the last start</h3>")
        last = starts[-1]
        versions = ", ".join(
            f"{name} {version}" for name, version in last.get("versions", {}).items()
        )
        known = [(name, str(last[name])) for name in HARDWARE if last.get(name) is not None]
        parts.append(facts([*known, ("versions", versions)]))
    parts.append("<h3>Commands</h3>" + _commands(starts, folder))
    config = folder / "config.yaml"
    if config.is_file():
        text = f"<pre>{escape(config.read_text(encoding='utf-8'))}</pre>"
        parts.append(folded("All settings (config.yaml)", text))
    return "".join(parts)


def _commands(starts: Sequence[Mapping[str, Any]], folder: Path) -> str:
    lines = [" ".join(start["command"]) for start in starts if start.get("command")]
    lines.append(f"python tools/report.py {folder}")
    return f"<pre>{escape(chr(10).join(lines))}</pre>" + paragraph(
        "The last line makes this page again."
    )


def _chart(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The lines of those names that any row has; empty where none has."""
    lines = []
    for number, name in enumerate(names):
        unit = 100 if name.startswith("box/") else 1
        points = _thinned(
            [
                (row["step"], unit * row[name])
                for row in rows
                if isinstance(row.get(name), int | float)
            ]
        )
        if points:
            lines.append(Series(name, points, f"var(--s{number})"))
    if not lines:
        return ""
    steps = [x for line in lines for x, _ in line.points]
    top = nice_ceiling(max(y for line in lines for _, y in line.points))
    return line_chart(title, lines, Axes((0, max([*steps, 1])), (0, top), "step"))


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points, each the mean of as many neighbours."""
    size = -(-len(points) // POINTS)
    groups = [points[at : at + size] for at in range(0, len(points), max(size, 1))]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _rows(path: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without a last line that a killed process left unfinished."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]


def _load(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else otherwise


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
