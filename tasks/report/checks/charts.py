"""Charts of a data set: its classes, the sizes of its objects and of its images."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from tasks.report.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axes,
    draw_axes,
    nice_ceiling,
)
from tasks.report.charts import figure
from tasks.report.page import css_color

STYLE = """
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:16px;
align-items:start;margin:16px 0}
.bars{columns:270px;column-gap:28px;list-style:none;margin:0;padding:0;font-size:.82rem;
line-height:1.6}
.bars li{display:grid;grid-template-columns:minmax(0,9.5rem) 3.4rem 1fr;gap:8px;align-items:center;
break-inside:avoid}
.bars span{overflow-wrap:anywhere}
.bars span+span{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bars b{display:block;height:.7em;min-width:2px;border-radius:3px}
.many{max-height:36rem;overflow-y:auto}
svg .mark-line{stroke:var(--bad);stroke-width:1.2;stroke-dasharray:4 3}
svg .mark-text{fill:var(--bad)}svg .dot{fill:var(--bar);fill-opacity:.55;stroke:var(--bar)}
"""
MANY = 120
"""Number of classes above which their bars scroll in a frame of their own."""
_PER_DOUBLING = 2  # bars of a size chart
_CELLS = 40  # of a chart of image sizes, along each axis
_LARGEST_DOT = 11.0


@dataclass(frozen=True)
class ClassBar:
    """Count of a class."""

    name: str
    value: float
    text: str
    color: tuple[int, int, int]


def class_bars(title: str, bars: Sequence[ClassBar]) -> str:
    """Draw a bar for each class, in columns that follow the page's width."""
    longest = max([bar.value for bar in bars] + [1e-9])
    rows = ""
    for bar in bars:
        width = 100 * bar.value / longest
        drawn = ""
        if bar.value:
            drawn = f'<b style="width:{width:.2f}%;background:{css_color(bar.color)}"></b>'
        name = escape(bar.name)
        rows += f"<li><span>{name}</span><span>{escape(bar.text)}</span>{drawn}</li>"
    listed = f'<ul class="bars">{rows}</ul>'
    if len(bars) > MANY:
        listed = f'<div class="many" tabindex="0">{listed}</div>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{listed}</figure>"


def size_chart(
    title: str, sizes: NDArray[np.float64], marks: Sequence[float], x_title: str, note: str
) -> str:
    """Draw how many of the sizes (M,), in pixels, lie in each part of an axis that doubles.

    Lines stand at the `marks`; `note` goes below. Sizes below one pixel count as one.
    """
    sizes = np.maximum(sizes, 1.0)
    reach = np.log2([sizes.min(), sizes.max(), *marks])
    first = math.floor(reach.min())
    last = max(math.ceil(reach.max()), first + 1)
    edges = np.linspace(first, last, (last - first) * _PER_DOUBLING + 1)
    counts, _ = np.histogram(np.log2(sizes), bins=edges)
    most = nice_ceiling(float(counts.max()))
    step = (WIDTH - LEFT - RIGHT) / (len(edges) - 1)
    parts = [_height_rule(0, most), _height_rule(most, most)]
    for number, count in enumerate(counts.tolist()):
        height = (HEIGHT - TOP - BOTTOM) * count / most
        x = LEFT + number * step
        says = f"{2 ** edges[number]:.0f} to {2 ** edges[number + 1]:.0f} pixels: {count}"
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" width="{step - 1:.1f}"'
            f' height="{height:.1f}" class="bar"><title>{says}</title></rect>'
        )
    for tick in range(first, last + 1):
        x = LEFT + (tick - first) * _PER_DOUBLING * step
        parts.append(_below(x, f"{2**tick:g}"))
    for mark in marks:
        parts.append(_mark(LEFT + (math.log2(mark) - first) * _PER_DOUBLING * step, f"{mark:g}"))
    parts.append(_title_below(x_title))
    return figure(title, "".join(parts), f"<small>{escape(note)}</small>")


def image_size_chart(title: str, sizes: NDArray[np.int64], note: str) -> str:
    """Draw the sizes (N, 2) of images, (height, width), as dots whose areas are their numbers."""
    side = nice_ceiling(float(sizes.max()))
    cell = side / _CELLS
    cells = np.minimum(sizes // cell, _CELLS - 1).astype(np.int64)
    counts = Counter(map(tuple, cells.tolist()))
    most = max(counts.values())
    axes = Axes((0, side), (0, side), "width in pixels", "height")
    parts = [draw_axes(axes)]
    for (row, column), count in sorted(counts.items(), key=lambda item: -item[1]):
        width = (column + 0.5) * cell
        height = (row + 0.5) * cell
        x, y = axes.place(width, height)
        radius = max(1.5, _LARGEST_DOT * math.sqrt(count / most))
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="dot">'
            f"<title>about {width:.0f}x{height:.0f}: {count}</title></circle>"
        )
    return figure(title, "".join(parts), f"<small>{escape(note)}</small>")


def common_sizes(sizes: Iterable[tuple[int, int]], shown: int = 3) -> str:
    """Say in words which sizes (height, width) are the most common."""
    counts = Counter(sizes)
    named: list[str] = []
    for (height, width), count in counts.most_common(shown):
        share = 100 * count / counts.total()
        named.append(f"{width}x{height} ({share:.0f} %)")
    return f"{len(counts)} sizes; most common, as width x height: {', '.join(named)}"


def _height_rule(value: float, most: float) -> str:
    """A line across at a value, with its number."""
    y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="rule"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end soft">{value:g}</text>'
    )


def _below(x: float, text: str) -> str:
    """A number below the axis; the last one ends at the chart's edge."""
    is_last = x > WIDTH - RIGHT - 1
    anchor = "end" if is_last else "mid"
    x = x + RIGHT - 2 if is_last else x
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" class="{anchor} soft">{text}</text>'


def _mark(x: float, text: str) -> str:
    """A dashed line with a number above it."""
    return (
        f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" class="mark-line"/>'
        f'<text x="{x:.1f}" y="{TOP - 6}" class="mid mark-text">{text}</text>'
    )


def _title_below(text: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    return f'<text x="{middle}" y="{HEIGHT - 4}" class="mid soft">{escape(text)}</text>'
