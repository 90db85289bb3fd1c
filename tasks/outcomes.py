"""Outcomes of boxes: right, wrong, missed or ignored, and how each is drawn.

The colours differ in lightness too, and the lines in their dashes, so that they can be told apart
with colour blindness and in gray prints.
"""

from dataclasses import dataclass
from enum import Enum

from PIL import ImageDraw

from tasks.drawing import Color

SHADOW = (0, 0, 0, 120)
"""Colour of the rim around a line, which keeps the line visible on any background."""
GAP = (25, 25, 25)
"""Colour between dashes."""


class Outcome(Enum):
    """The outcome of a detection, or of an object."""

    RIGHT = "right"
    """A detection that found an object, and the object."""
    WRONG = "wrong"
    """A detection that found no object."""
    MISSED = "missed"
    """An object that no detection found."""
    IGNORED = "ignored"
    """A crowd, and a detection inside one: neither right nor wrong."""


@dataclass(frozen=True)
class Look:
    """How a line is drawn."""

    color: Color
    dash: tuple[int, int] | None = None
    """Lengths of a dash and of the gap behind it, in widths of the line; None for no gaps."""

    @property
    def line(self) -> str:
        """The line style in CSS's word."""
        if self.dash is None:
            return "solid"
        return "dashed" if self.dash[0] > self.dash[1] else "dotted"


LOOKS = {
    Outcome.RIGHT: Look((0, 174, 240)),
    Outcome.WRONG: Look((222, 28, 62), (5, 3)),
    Outcome.MISSED: Look((255, 194, 26), (2, 2)),
    Outcome.IGNORED: Look((176, 182, 190)),
}
MEANINGS = {
    Outcome.RIGHT: "right: a detection and the object that it found",
    Outcome.WRONG: "wrong: a detection of no object, of another class, or a second one",
    Outcome.MISSED: "missed: an object that no detection found",
    Outcome.IGNORED: "ignored: a crowd, and what is inside it",
}


def draw_outline(
    pen: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], look: Look, width: int
) -> None:
    """Draw a rectangle (x1, y1, x2, y2), its last pixels included, with a thin dark rim."""
    x1, y1, x2, y2 = corners
    rim = max(1, width // 3)
    pen.rectangle((x1 - rim, y1 - rim, x2 + rim, y2 + rim), outline=SHADOW, width=rim)
    if look.dash is None:
        pen.rectangle(corners, outline=look.color, width=width)
        return
    pen.rectangle(corners, outline=GAP, width=width)
    length, gap = (part * width for part in look.dash)
    for start in range(x1, x2 + 1, length + gap):
        end = min(start + length - 1, x2)
        pen.rectangle((start, y1, end, min(y1 + width - 1, y2)), fill=look.color)
        pen.rectangle((start, max(y2 - width + 1, y1), end, y2), fill=look.color)
    for start in range(y1, y2 + 1, length + gap):
        end = min(start + length - 1, y2)
        pen.rectangle((x1, start, min(x1 + width - 1, x2), end), fill=look.color)
        pen.rectangle((max(x2 - width + 1, x1), start, x2, end), fill=look.color)
