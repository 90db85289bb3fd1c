"""Pictures of a run's course."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.engine.files import AtomicFile

FAMILY = re.compile(
    r"[^/]+/[A-Z]+"
)  # "box/AP" of box/AP, box/AP50 and box/APs, which share a panel


def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the losses in training and validation, their parts, the learning rate and each family of
    scores, as PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = choose_panels(rows)
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.4 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for position, (title, keys) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(lines, columns, position)
        for key in keys:
            points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
            axes.plot(
                *zip(*points, strict=True), label=key, marker="." if len(points) < 20 else None
            )
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(keys) > 1:
            axes.legend(fontsize="small", frameon=False)
    with AtomicFile(path) as file:
        figure.savefig(file, format="png", dpi=110)


def choose_panels(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Title -> keys of each panel: losses, their parts, the learning rate, then the scores by
    family.

    Scores of single classes (`box/AP/cat`) are left out: there may be a thousand.
    """
    names = list(
        dict.fromkeys(key for row in rows for key, value in row.items() if value is not None)
    )
    panels = {
        "loss": [key for key in names if key in ("loss", "val/loss")],
        "parts of the training loss": [key for key in names if key.startswith("loss/")],
        "learning rate": [key for key in names if key == "lr"],
    }
    for key in names:
        family = FAMILY.match(key)
        if family and key.count("/") == 1:
            panels.setdefault(family[0], []).append(key)
    return {title: keys for title, keys in panels.items() if keys} or {"nothing yet": []}
