"""Charts as inline SVG, which needs no script and no network.  Colours are the page's, so follow
dark and light.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 360, 240  # of a chart's own units, about the pixels it gets on a phone
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 24, 36


@dataclass(frozen=True)
class Series:
    """A named line through points; `color` is CSS."""

    name: str
    points: Sequence[Point]
    color: str
    width: float = 2.0
    dashed: bool = False


@dataclass(frozen=True)
class Axes:
    """The ranges of a chart, its axis titles, and how points get their place."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_title: str
    y_title: str = ""

    def place(self, x: float, y: float) -> Point:
        """Where a point is drawn; what lies outside is moved to the rim."""
        across = (min(max(x, self.x[0]), self.x[1]) - self.x[0]) / (self.x[1] - self.x[0])
        up = (min(max(y, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )


def line_chart(title: str, series: Sequence[Series], axes: Axes, *, legend: bool = True) -> str:
    """A figure with lines and, for several of them, a legend."""
    lines = "".join(_line(one, axes) for one in series)
    names = _legend(series) if legend and len(series) > 1 else ""
    return figure(title, _frame(axes) + lines, names)


def bar_chart(title: str, bars: Sequence[tuple[str, float, str]], x_title: str) -> str:
    """Horizontal bars from (name, value, what is written behind it)."""
    longest = max([value for _, value, _ in bars] + [1e-9])
    rows = []
    for row, (name, value, text) in enumerate(bars):
        y, length = 8 + 27 * row, 170 * max(value, 0) / longest
        rows.append(
            f'<text x="82" y="{y + 13}" class="end">{escape(name)}</text>'
            f'<rect x="90" y="{y}" width="{max(length, 1):.1f}" height="18" rx="3" class="bar"/>'
            f'<text x="{96 + max(length, 1):.1f}" y="{y + 13}">{escape(text)}</text>'
        )
    height = 8 + 27 * len(bars) + 20
    rows.append(f'<text x="90" y="{height - 6}" class="soft">{escape(x_title)}</text>')
    return figure(title, "".join(rows), "", height=height)


def reliability_chart(
    title: str, bins: Sequence[tuple[float, float, float, float]], x_title: str, y_title: str
) -> str:
    """Bars (from, to, height, share of all) from 0 to 1 with the diagonal; a fuller bin is drawn
    stronger.
    """
    axes = Axes((0, 1), (0, 1), x_title, y_title)
    most = max([share for *_, share in bins] + [1e-9])
    drawn = []
    for low, high, height, share in bins:
        (x1, y1), (x2, y2) = axes.place(low, height), axes.place(high, 0)
        if share > 0:
            strength = 0.35 + 0.65 * share / most
            drawn.append(
                f'<rect x="{x1 + 1:.1f}" y="{y1:.1f}" width="{x2 - x1 - 2:.1f}"'
                f' height="{max(y2 - y1, 1):.1f}" class="bar" opacity="{strength:.2f}"/>'
            )
    diagonal = _line(Series("", ((0, 0), (1, 1)), "var(--ink)", 1.2, dashed=True), axes)
    return figure(title, _frame(axes) + "".join(drawn) + diagonal, "")


def interval_mark(value: float, low: float, high: float, limit: float) -> str:
    """A small bar from 0 to `value` of `limit` with a whisker from `low` to `high`; nothing for
    nan.
    """
    if math.isnan(value):
        return ""
    x, left, right = (round(118 * max(number, 0) / limit + 1, 1) for number in (value, low, high))
    return (
        '<svg class="mark" viewBox="0 0 120 14" aria-hidden="true">'
        f'<rect x="1" y="4" width="{x - 1:.1f}" height="6" rx="2" class="bar" opacity=".45"/>'
        f'<path d="M{left} 7H{right}M{left} 3V11M{right} 3V11" class="whisker"/></svg>'
    )


def figure(title: str, content: str, legend: str, *, height: int = HEIGHT) -> str:
    """A titled SVG that grows with the page's column."""
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(title)}">{content}</svg>'
    )
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}{legend}</figure>"


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten, where an axis may end."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1, 2, 2.5, 4, 5, 8, 10) if step * power >= value * (1 - 1e-9)
    )


def _frame(axes: Axes) -> str:
    """Grid lines with their numbers, and the axes' titles."""
    parts = []
    for tick in range(5):
        share = tick / 4
        x, y = (low + share * (high - low) for low, high in (axes.x, axes.y))
        across, up = axes.place(x, axes.y[0])[0], axes.place(axes.x[0], y)[1]
        anchor = "mid" if tick < 4 else "end"
        parts.append(
            f'<path d="M{LEFT} {up:.1f}H{WIDTH - RIGHT}" class="rule"/><text x="{LEFT - 6}"'
            f' y="{up + 4:.1f}" class="end soft">{_tick(y)}</text><text'
            f' x="{across if tick < 4 else across + 4:.1f}" y="{HEIGHT - BOTTOM + 15}"'
            f' class="{anchor} soft">{_tick(x)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 4}" class="mid soft">{escape(axes.x_title)}</text>'
    )
    if axes.y_title:
        parts.append(f'<text x="4" y="12" class="soft">{escape(axes.y_title)}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    if value == 0 or 0.01 <= value < 100:
        return f"{value:.3g}"
    if value >= 100:
        return f"{value:.0f}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _line(series: Series, axes: Axes) -> str:
    """The line through the finite points; a dot where there is only one."""
    places = [axes.place(x, y) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    if len(places) == 1:
        return (
            f'<circle cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="3"'
            f' style="fill:{series.color}"/>'
        )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = ";stroke-dasharray:4 4" if series.dashed else ""
    return (
        f'<polyline points="{path}"'
        f' style="stroke:{series.color};stroke-width:{series.width}{dashes}"/>'
    )


def _legend(series: Sequence[Series]) -> str:
    items = "".join(
        f'<li><i style="background:{one.color}"></i>{escape(one.name)}</li>'
        for one in series
        if one.name
    )
    return f'<ul class="legend">{items}</ul>'
