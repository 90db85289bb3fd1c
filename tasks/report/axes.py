"""Axes of a chart: positions of points, grid lines and numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

# In a chart's own units, about the pixels that it gets on a phone.
WIDTH = 360
HEIGHT = 240
LEFT = 46
RIGHT = 10
TOP = 24
BOTTOM = 36


@dataclass(frozen=True)
class Axes:
    """Ranges and axis titles of a chart."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_title: str
    y_title: str = ""
    x_ticks: Sequence[float] | None = None
    """Positions of numbers; None for both ends and three between them."""

    def place(self, x: float, y: float) -> Point:
        """Position of a point in the chart; points outside are moved to the rim."""
        across = _share(x, self.x) * (WIDTH - LEFT - RIGHT)
        up = _share(y, self.y) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up


def _share(value: float, limits: tuple[float, float]) -> float:
    """Position of a value between the limits, 0 to 1."""
    low, high = limits
    return (min(max(value, low), high) - low) / (high - low)


def nice_ceiling(value: float) -> float:
    """Round up to 1, 2, 3, 4, 6, 8 or 10 times a power of ten, so that quarters are short."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    ceilings = [step * power for step in (1, 2, 3, 4, 6, 8, 10)]
    return next(ceiling for ceiling in ceilings if ceiling >= value * (1 - 1e-9))


def step_ticks(last: int) -> list[int]:
    """Positions of numbers on an axis from 0 to a last step: whole, round, and at most six."""
    power = 10 ** max(0, math.floor(math.log10(last / 5)))
    interval = next(step * power for step in (1, 2, 5, 10) if 5 * step * power >= last)
    return list(range(0, last + 1, interval))


def draw_axes(axes: Axes) -> str:
    """Draw grid lines with their numbers, and the axes' titles."""
    parts = []
    for y in _quarters(axes.y):
        _, up = axes.place(axes.x[0], y)
        parts.append(
            f'<path d="M{LEFT} {up:.1f}H{WIDTH - RIGHT}" class="rule"/>'
            f'<text x="{LEFT - 6}" y="{up + 4:.1f}" class="end soft">{_tick(y)}</text>'
        )
    for x in _quarters(axes.x) if axes.x_ticks is None else axes.x_ticks:
        across, _ = axes.place(x, axes.y[0])
        is_last = across > WIDTH - RIGHT - 12
        anchor = "end" if is_last else "mid"
        shift = 4 if is_last else 0
        parts.append(
            f'<text x="{across + shift:.1f}" y="{HEIGHT - BOTTOM + 15}"'
            f' class="{anchor} soft">{_tick(x)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 4}" class="mid soft">{escape(axes.x_title)}</text>'
    )
    if axes.y_title:
        parts.append(f'<text x="4" y="12" class="soft">{escape(axes.y_title)}</text>')
    return "".join(parts)


def _quarters(limits: tuple[float, float]) -> list[float]:
    """Both ends and three places between them."""
    low, high = limits
    return [low + quarter / 4 * (high - low) for quarter in range(5)]


def _tick(value: float) -> str:
    if value == 0 or 0.01 <= abs(value) < 100:
        return f"{value:.3g}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"
