"""Images of an evaluation as small JPEGs inside a page."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.images import Exif, ImageSource, Pixels, decode

SIDE = 360  # pixels of a thumbnail's longer side
BLANK = 238  # gray of an image that cannot be read


def read_or_blank(
    source: ImageSource, exif: Exif, size: tuple[int, int] = (SIDE, SIDE)
) -> tuple[Pixels, str]:
    """Decode an image; if that fails, return a blank of its (height, width) and the reason."""
    try:
        return decode(source, exif), ""
    except UserError as error:
        problem = f"the image cannot be read: {error}"
        if isinstance(source, str | Path) and not Path(source).is_file():
            looked = f"the image file is missing: looked in {Path(source).absolute().parent}"
            problem = f"{looked}; `backbones report --images` takes another folder"
        return blank(size), problem


def blank(size: tuple[int, int]) -> Pixels:
    """Make a gray image with the shape of one of (height, width), SIDE long at most."""
    height, width = size
    scale = min(1, SIDE / max(height, width))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)), 3)
    return np.full(shape, BLANK, np.uint8)


def thumbnail(pixels: Pixels, side: int = SIDE) -> Pixels:
    """Resize an image so that its longer side has `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def data_url(pixels: Pixels) -> str:
    """Encode an image as a JPEG inside a URL."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def png_url(picture: Image.Image) -> str:
    """Encode an image without loss as a PNG inside a URL."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def pair_figure(
    name: str, pictures: Sequence[tuple[str, Pixels]], lines: Sequence[str], problem: str
) -> str:
    """Show an image several times, as (heading, pixels), with its name and lines of text below.

    `problem` is why the image cannot be seen, or empty.
    """
    shown = ""
    for heading, pixels in pictures:
        text = escape(f"{heading} of {name}")
        address = data_url(pixels)
        shown += f'<div><img src="{address}" alt="{text}"><span>{escape(heading)}</span></div>'
    below = "<br>".join(escape(line) for line in (name, *lines, problem) if line)
    return f'<figure><div class="pair">{shown}</div><small>{below}</small></figure>'
