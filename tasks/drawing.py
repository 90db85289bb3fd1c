"""What pictures share: colours of classes, and fonts."""

import colorsys
from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

from tasks.labels import LabelMap

Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # x1, y1, x2, y2

# Ten colours that differ clearly from each other and from photographs; further labels get hues a
# golden angle apart.
VIVID = (
    "#ff3b4e",
    "#00aef0",
    "#ffc21a",
    "#1fbf68",
    "#a05cff",
    "#ff7a1a",
    "#00c4b3",
    "#f45bc4",
    "#93d41e",
    "#4a6bff",
)
INK = (31, 35, 40)
GRAY = (110, 118, 129)
PANEL = (238, 240, 243)


def label_color(label: int) -> Color:
    """Return the colour of a contiguous label, the same in every picture."""
    if label < len(VIVID):
        digits = VIVID[label].lstrip("#")
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    hue = (0.07 + 0.618033988749895 * label) % 1.0
    lightness = (0.45, 0.6, 0.7)[label % 3]
    saturation = (0.9, 0.65)[label % 2]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def class_color(label_map: LabelMap, label: int) -> Color:
    """Return the colour in which the data set draws a class, or that of its label."""
    return label_color(label) if label_map.colours is None else label_map.colours[label]


@lru_cache(maxsize=64)
def text_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which comes with matplotlib and covers most scripts."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def write_tag(
    pen: ImageDraw.ImageDraw,
    patch: Rectangle,
    text: str,
    font: ImageFont.FreeTypeFont,
    color: Color,
) -> None:
    """Write `text` in the middle of a patch of `color`: dark on bright colours, white on dark
    ones.
    """
    pen.rectangle(patch, fill=(*color, 235))
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 150
    middle = ((patch[0] + patch[2]) / 2, (patch[1] + patch[3]) / 2)
    pen.text(middle, text, font=font, fill=INK if bright else (255, 255, 255), anchor="mm")
