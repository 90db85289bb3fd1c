"""Pictures with lines of text below them.  Images are (H, W, 3) uint8 RGB."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tasks.drawing import INK, PANEL, text_font
from tasks.images import Pixels

LEAST_WIDTH = 240  # pixels; smaller images are enlarged, so that the text has room
LINE = 24


def caption(image: Pixels, lines: Sequence[str]) -> Pixels:
    """Return the image with lines of text below it; a small image is enlarged by a whole factor."""
    picture = Image.fromarray(image)
    factor = max(1, -(-LEAST_WIDTH // picture.width))
    if factor > 1:
        size = (picture.width * factor, picture.height * factor)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    line = max(LINE, picture.width // 24)
    foot = line * len(lines) + line // 2
    page = Image.new("RGB", (picture.width, picture.height + foot), PANEL)
    page.paste(picture)
    pen = ImageDraw.Draw(page)
    for row, text in enumerate(lines):
        font = text_font(round(0.7 * line), bold=row == 0)
        top = picture.height + line // 4 + row * line
        pen.text((line // 2, top + line / 2), text, font=font, fill=INK, anchor="lm")
    return np.asarray(page)
