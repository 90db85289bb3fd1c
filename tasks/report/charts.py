"""Charts as inline SVG, which needs no script and no network.

Colours are the page's, so follow dark and light.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tasks.report.axes import HEIGHT, WIDTH, Axes, Point, draw_axes

# Of bars that stand below each other.
BAR_STEP = 27
BAR_START = 90
LONGEST_BAR = 170

# Of names beside a matrix, in characters; and the width of one, about.
LONGEST_NAME = 18
NAME_WIDTH = 6.2
NUMBERED = 20
"""Largest number of rows of a matrix whose cells have room for numbers."""

DOTTED = 20
"""Largest number of points of a line whose points are all marked."""


@dataclass(frozen=True)
class Series:
    """A named line through points; `color` is CSS."""

    name: str
    points: Sequence[Point]
    color: str
    width: float = 2.0
    dashed: bool = False
    dotted: bool = False
    """Whether points were measured, so that a few of them are marked."""


def line_chart(title: str, series: Sequence[Series], axes: Axes, *, legend: bool = True) -> str:
    """Draw lines and, for several of them, a legend."""
    lines = "".join(_line(line, axes) for line in series)
    names = _legend(series) if legend and len(series) > 1 else ""
    return figure(title, draw_axes(axes) + lines, names)


def bar_chart(title: str, bars: Sequence[tuple[str, float, str]], x_title: str) -> str:
    """Draw horizontal bars from (name, value, text behind the bar)."""
    longest = max([value for _, value, _ in bars] + [1e-9])
    rows = []
    for row, (name, value, text) in enumerate(bars):
        y = 8 + BAR_STEP * row
        length = max(LONGEST_BAR * max(value, 0) / longest, 1)
        end = BAR_START + length + 6
        rows.append(
            f'<text x="{BAR_START - 8}" y="{y + 13}" class="end">{escape(name)}</text>'
            f'<rect x="{BAR_START}" y="{y}" width="{length:.1f}" height="18" rx="3" class="bar"/>'
            f'<text x="{end:.1f}" y="{y + 13}">{escape(text)}</text>'
        )
    height = 8 + BAR_STEP * len(bars) + 20
    rows.append(f'<text x="{BAR_START}" y="{height - 6}" class="soft">{escape(x_title)}</text>')
    return figure(title, "".join(rows), "", height=height)


def reliability_chart(
    title: str, bins: Sequence[tuple[float, float, float, float]], x_title: str, y_title: str
) -> str:
    """Draw bars (from, to, height, share of all) from 0 to 1 with the diagonal.

    A fuller bin is darker.
    """
    axes = Axes((0, 1), (0, 1), x_title, y_title)
    most = max([share for *_, share in bins] + [1e-9])
    drawn = []
    for low, high, height, share in bins:
        left, top = axes.place(low, height)
        right, bottom = axes.place(high, 0)
        if share > 0:
            opacity = 0.35 + 0.65 * share / most
            drawn.append(
                f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{right - left - 2:.1f}"'
                f' height="{max(bottom - top, 1):.1f}" class="bar" opacity="{opacity:.2f}"/>'
            )
    diagonal = _line(Series("", ((0, 0), (1, 1)), "var(--ink)", 1.2, dashed=True), axes)
    return figure(title, draw_axes(axes) + "".join(drawn) + diagonal, "")


def matrix_chart(
    title: str,
    names: Sequence[str],
    counts: Sequence[Sequence[int]],
    totals: Sequence[int] | None = None,
) -> str:
    """Draw counts (K, K): rows are true classes, columns predicted ones.

    A cell is as dark as its share of the row, and one off the diagonal as the root of it, since
    those are few. `totals` are those of the rows where there are more columns than drawn; then
    numbers are shares times 100, and what rounds to none is left out. It scrolls by itself where
    the page is narrow.
    """
    cell = 32 if len(names) <= NUMBERED else 14
    short = [shorten(name) for name in names]
    rim = 14 + round(NAME_WIDTH * max(map(len, short)))
    drawn = []
    for index, name in enumerate(short):
        middle = rim + cell * (index + 0.5)
        text = escape(name)
        drawn.append(
            f'<text x="{rim - 6}" y="{middle + 4}" class="end">{text}</text>'
            f'<text transform="translate({middle + 4} {rim - 6}) rotate(-90)">{text}</text>'
        )
    for row, line in enumerate(counts):
        total = sum(line) if totals is None else totals[row]
        for column, count in enumerate(line):
            number = count if totals is None else round(100 * count / max(total, 1))
            if number:
                says = f"{names[row]}, predicted {names[column]}: {count} of {total}"
                corner = (rim + cell * column, rim + cell * row)
                written = str(number) if cell > 20 else ""
                share = count / total
                drawn.append(_matrix_cell(corner, cell, share, written, says, row == column))
    side = rim + cell * len(names) + 1
    frame = f'<rect x="{rim}" y="{rim}" width="{side - rim}" height="{side - rim}" class="rule"/>'
    return figure(title, frame + "".join(drawn), "", width=side, height=side, scrolls=True)


def _matrix_cell(
    corner: Point, cell: int, share: float, number: str, says: str, is_right: bool
) -> str:
    """A cell with its number, if there is room; the mouse shows `says`."""
    x, y = corner
    color = "bar" if is_right else "wrong"
    opacity = share if is_right else math.sqrt(share)
    square = (
        f'<rect x="{x + 1:g}" y="{y + 1:g}" width="{cell - 1}" height="{cell - 1}" class="{color}"'
        f' opacity="{max(0.75 * opacity, 0.06):.2f}"/>'
    )
    if number:
        middle = x + cell / 2 + 0.5
        number = f'<text x="{middle:g}" y="{y + cell / 2 + 4:g}" class="mid">{number}</text>'
    return f"<g><title>{escape(says)}</title>{square}{number}</g>"


def shorten(name: str) -> str:
    """Shorten a long name at its end, so that it fits beside a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def interval_mark(value: float, low: float, high: float, limit: float) -> str:
    """Draw a small bar from 0 to `value` of `limit`, with a whisker from `low` to `high`.

    Nothing is drawn for a value of nan, and no whisker for an interval of nan.
    """
    if math.isnan(value):
        return ""
    x = _mark_position(value, limit)
    whisker = ""
    if not math.isnan(low):
        left = _mark_position(low, limit)
        right = _mark_position(high, limit)
        ends = f"M{left} 7H{right}M{left} 3V11M{right} 3V11"
        whisker = f'<path d="{ends}" class="whisker"/>'
    return (
        '<svg class="mark" viewBox="0 0 120 14" aria-hidden="true">'
        f'<rect x="1" y="4" width="{x - 1:.1f}" height="6" rx="2" class="bar" opacity=".45"/>'
        f"{whisker}</svg>"
    )


def _mark_position(value: float, limit: float) -> float:
    return round(118 * max(value, 0) / limit + 1, 1)


def figure(
    title: str,
    content: str,
    legend: str,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    scrolls: bool = False,
) -> str:
    """Frame an SVG with its title.

    It grows with the page's column, or keeps its size and scrolls in the frame.
    """
    heading = escape(title)
    size = f"0 0 {width} {height}"
    style = f' style="width:{width}px;max-width:none"' if scrolls else ""
    svg = f'<svg viewBox="{size}"{style} role="img" aria-label="{heading}">{content}</svg>'
    kind = ' class="scrolls" tabindex="0"' if scrolls else ""
    return f"<figure{kind}><figcaption>{heading}</figcaption>{svg}{legend}</figure>"


def _line(series: Series, axes: Axes) -> str:
    """A line through the finite points, with dots if they are few; the mouse shows its name."""
    finite = [point for point in series.points if all(map(math.isfinite, point))]
    places = [axes.place(x, y) for x, y in finite]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    style = f"stroke:{series.color};stroke-width:{series.width}"
    if series.dashed:
        style += ";stroke-dasharray:4 4"
    drawn = f'<polyline points="{path}" style="{style}"/>' if len(places) > 1 else ""
    if len(places) == 1 or (series.dotted and len(places) <= DOTTED):
        for x, y in places:
            drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" style="fill:{series.color}"/>'
    return f"<g><title>{escape(series.name)}</title>{drawn}</g>" if series.name else drawn


def _legend(series: Sequence[Series]) -> str:
    """Legend of the lines that have a name, dashed where the lines are."""
    items = ""
    for line in series:
        if line.name:
            items += f"<li>{line_sample(line)}{escape(line.name)}</li>"
    return f'<ul class="legend">{items}</ul>'


def line_sample(series: Series) -> str:
    """A short piece of a line, for a legend."""
    kind = "dashed" if series.dashed else "solid"
    return f'<i class="line" style="border-top:3px {kind} {series.color}"></i>'


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Legend from (name, CSS colour)."""
    items = ""
    for name, color in entries:
        items += f'<li><i style="background:{color}"></i>{escape(name)}</li>'
    return f'<ul class="legend">{items}</ul>'
