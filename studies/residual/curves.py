"""Plot errors by epoch: each network's mean over its seeds, and a thin line for each training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

from studies.residual.points import ON_THE_WAY, Point
from tasks.files import AtomicFile

PANELS = (("train_error", "training error, %"), ("test_error", "test error, %"))
MARKERS = "osD^v<>PXp"


@dataclass(frozen=True)
class Curve:
    """Epochs, and errors in percent."""

    epochs: Sequence[float]
    errors: Sequence[float]


def draw_curves(points: Sequence[Point], title: str, path: Path) -> None:
    """Write the figure of `make_figure` as a PNG."""
    with AtomicFile(path) as file:
        make_figure(points, title).savefig(file, format="png", dpi=110)


def make_figure(points: Sequence[Point], title: str) -> Any:
    """A matplotlib figure with training errors on the left and test errors on the right.

    The legend lists the networks by their last mean test error, the highest first, as lines end.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
        _draw(axes, points, name)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[1].get_legend_handles_labels()
    if handles:
        ordered = sorted(zip(handles, labels, strict=True), key=_last_error, reverse=True)
        figure.legend(*zip(*ordered, strict=True), frameon=False, loc="outside right center")
    figure.suptitle(title)
    return figure


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Mean of at least one curve, up to where the shortest one ends."""
    length = min(len(curve.epochs) for curve in curves)
    errors = [mean(curve.errors[place] for curve in curves) for place in range(length)]
    return Curve(curves[0].epochs[:length], errors)


def _draw(axes: Any, points: Sequence[Point], name: str) -> None:
    """Draw the trainings thinly, and over them the means with their networks' names."""
    networks = list(dict.fromkeys(point.network for point in points))
    for place, network in enumerate(networks):
        curves = _curves([point for point in points if point.network == network], name)
        colour = f"C{place % 10}"
        for curve in curves:
            axes.plot(curve.epochs, curve.errors, color=colour, linewidth=0.8, alpha=0.4)
        if curves:
            found = mean_curve(curves)
            style = "--" if network.startswith("plain") else "-"
            axes.plot(
                found.epochs,
                found.errors,
                style,
                color=colour,
                label=network,
                linewidth=1.8,
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
            )


def _curves(points: Sequence[Point], name: str) -> list[Curve]:
    """The curve of each training that was scored; `name` is a field of Point."""
    found = []
    way = [point for point in points if point.when == ON_THE_WAY]
    for _, group in groupby(way, key=lambda point: point.run):
        scored = [point for point in group if getattr(point, name) is not None]
        if scored:
            errors = [getattr(point, name) for point in scored]
            found.append(Curve([point.epoch for point in scored], errors))
    return found


def _last_error(entry: tuple[Any, str]) -> float:
    """The last error of a line of the legend."""
    return float(entry[0].get_ydata()[-1])
