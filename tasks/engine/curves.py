"""Draw the course of a run."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.files import AtomicFile
from tasks.panels import choose_panels, is_score_panel, line_labels, panel_heading

ACROSS = 3  # panels in a row at most
PANEL = (5.2, 3.4)  # inches
DOTTED = 20  # lines of at most this many points have markers
LOWEST_TOP = 1.0  # percent, least upper end of an axis of scores


def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw what was measured as PNG, a chart for each of `choose_panels`, scores in percent.

    Nothing is drawn without measurements. matplotlib's objects refer to each other in circles and
    hold 10 MB of pixels. Python would free these only after several pictures.
    """
    figure = make_figure(rows)
    if figure is not None:
        with AtomicFile(path) as file:
            figure.savefig(file, format="png", dpi=110)
    del figure
    gc.collect()


def make_figure(rows: Sequence[dict[str, Any]]) -> Any:
    """Draw the matplotlib figure; None if nothing was measured."""
    panels = list(choose_panels(rows).items())
    if not panels:
        return None
    figure, places = _lay_out(len(panels))
    last_step = max(1, *(row["step"] for row in rows))
    for axes, (title, names) in zip(places, panels, strict=True):
        _draw_panel(axes, title, names, rows)
        axes.set_xlim(0, last_step)
    return figure


def _lay_out(count: int) -> tuple[Any, list[Any]]:
    """Make a figure whose rows of axes are all full: 5 stand as 3 and 2."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = -(-count // ACROSS)
    across = -(-count // lines)
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * lines), layout="constrained")
    FigureCanvasAgg(figure)
    full, longer = divmod(count, lines)
    places: list[Any] = []
    grid = figure.add_gridspec(lines, across * full)
    for line in range(lines):
        panels = full + 1 if line < longer else full
        width = across * full // panels
        for position in range(panels):
            columns = slice(position * width, (position + 1) * width)
            places.append(figure.add_subplot(grid[line, columns]))
    return figure, places


def _draw_panel(
    axes: Any, title: str, names: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Draw one chart; the caller sets its axis of steps, which all charts share."""
    from matplotlib.ticker import MaxNLocator

    is_percent = is_score_panel(title)
    for name, label in zip(names, line_labels(title, names), strict=True):
        measured = [row for row in rows if row.get(name) is not None]
        steps = [row["step"] for row in measured]
        values = [100 * row[name] if is_percent else row[name] for row in measured]
        marker = "o" if len(measured) <= DOTTED else None
        axes.plot(steps, values, label=label, marker=marker, markersize=4, clip_on=False)
    if axes.dataLim.ymin >= 0:
        axes.set_ylim(bottom=0)
    if is_percent:
        axes.set_ylim(top=max(axes.get_ylim()[1], LOWEST_TOP))
    axes.set_title(panel_heading(title), loc="left", fontweight="bold")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(names) > 1:
        at_the_end = is_percent or all(len(line.get_xdata()) < 2 for line in axes.lines)
        place = "upper left" if at_the_end else "best"
        axes.legend(fontsize="small", frameon=False, loc=place)
