"""Plot errors by epoch, with a line for each training and a colour for each network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from studies.residual.points import ON_THE_WAY, Point
from tasks.files import AtomicFile

PANELS = (("train_error", "training error, %"), ("test_error", "test error, %"))


def draw_curves(points: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG with training errors on the left and test errors on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
        _draw(axes, points, name)
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(title)
    with AtomicFile(path) as file:
        figure.savefig(file, format="png", dpi=110)


def _draw(axes: Any, points: Sequence[Point], name: str) -> None:
    """Draw a line for each training; the first of a network carries its name."""
    networks = list(dict.fromkeys(point.network for point in points))
    named: set[str] = set()
    for network, of_run in _curves(points):
        xs = [point.epoch for point in of_run]
        ys = [getattr(point, name) for point in of_run]
        label = None if network in named else network
        named.add(network)
        style = "--" if network.startswith("plain") else "-"
        colour = f"C{networks.index(network) % 10}"
        axes.plot(xs, ys, style, color=colour, label=label, marker=".", linewidth=1.2)


def _curves(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    """Yield the network and the points of each training."""
    way = [point for point in points if point.when == ON_THE_WAY]
    for _, group in groupby(way, key=lambda point: point.run):
        of_run = list(group)
        yield of_run[0].network, of_run
