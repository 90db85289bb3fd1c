"""Pictures of a run's course."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.files import AtomicFile
from tasks.panels import choose_panels


def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw what was measured as PNG, a chart for each of `choose_panels`.

    matplotlib's objects refer to each other in circles, and with them 10 MB of pixels, which would
    wait for several pictures until Python collects them by itself.
    """
    _draw(rows, path)
    gc.collect()


def _draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = choose_panels(rows)
    if not panels:
        return
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
        if axes.dataLim.ymin >= 0:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(keys) > 1:
            axes.legend(fontsize="small", frameon=False)
    with AtomicFile(path) as file:
        figure.savefig(file, format="png", dpi=110)
