"""How the drawn data set looks: outlines, textured paper, and soft-edged painting.

H and W are height and width in pixels, P corners of an outline; pictures are (H, W, 3) float32 in
0..255.  A turn is an angle in radians.
"""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

Picture = NDArray[np.float32]
Grey = NDArray[np.float32]  # (H, W)
Corners = NDArray[np.float64]  # (P, 2) as (x, y)

CLASSES = ("circle", "square", "triangle", "star", "ring")
# Every class takes every colour, so that the outline alone tells them apart.
COLOURS = ("#e4572e", "#f2a541", "#2a9d8f", "#3a6ea5", "#8e5aa8", "#e0607e", "#6a994e", "#31475e")
PAPERS = (
    "#f4ede1",
    "#e4ebf1",
    "#efe2cd",
    "#dde8dc",
    "#e8e0ef",
    "#cfdbe6",
    "#f5e1d6",
    "#24344d",
    "#3b3355",
    "#204a4a",
)
_SAMPLES = 4  # per pixel and axis, for soft edges
_LEAST_CONTRAST = 75.0  # distance of a shape's colour from its paper's, in RGB's 0..255


def outline(label: int, rng: np.random.Generator) -> Corners:
    """Return corners (P, 2) of a class's outline, of longer side 1 around 0, at a random turn."""
    if CLASSES[label] == "star":
        radii = np.tile([1.0, 0.46], 5)
        points = _polar(radii, rng.uniform(0, 2 * math.pi))
    elif CLASSES[label] == "triangle":
        points = _polar(np.ones(3), rng.uniform(0, 2 * math.pi))
    elif CLASSES[label] == "square":
        points = _polar(np.ones(4), math.pi / 4 + rng.uniform(-0.35, 0.35))
    else:
        points = _polar(np.ones(48), 0.0)
    low = points.min(axis=0)
    high = points.max(axis=0)
    centred: Corners = (points - (low + high) / 2) / (high - low).max()
    return centred


def hole(label: int, corners: Corners) -> Corners | None:
    """Return the corners of a ring's hole; None for the other classes."""
    if CLASSES[label] != "ring":
        return None
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    inner: Corners = centre + 0.5 * (corners - centre)
    return inner


def _polar(radii: NDArray[np.float64], start: float) -> Corners:
    angles = start + np.arange(len(radii)) * (2 * math.pi / len(radii))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def paper(height: int, width: int, rng: np.random.Generator) -> tuple[Picture, str]:
    """Draw a textured background and return it with its basic colour."""
    colour = PAPERS[rng.integers(len(PAPERS))]
    relief = 9 * _clouds(height, width, 48, rng) + 5 * _clouds(height, width, 10, rng)
    pattern = 11 * _pattern(height, width, rng)
    relief += pattern + rng.normal(0, 2.5, (height, width)).astype(np.float32)
    tint = np.array([_clouds(height, width, 96, rng) for _ in range(3)])  # (3, H, W)
    tinted = _rgb(colour) + relief[..., None] + 7 * tint.transpose(1, 2, 0)
    return np.clip(tinted, 0, 255).astype(np.float32), colour


def _clouds(height: int, width: int, cell: int, rng: np.random.Generator) -> Grey:
    """Smooth noise in about -1..1 whose features are `cell` pixels wide."""
    grid = rng.uniform(-1, 1, (height // cell + 4, width // cell + 4)).astype(np.float32)
    size = (grid.shape[1] * cell, grid.shape[0] * cell)
    wide = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(wide, dtype=np.float32)[cell : cell + height, cell : cell + width]


def _pattern(height: int, width: int, rng: np.random.Generator) -> Grey:
    """Stripes, dots, a grid or nothing, in -1..1, at a random turn and spacing."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    turn = rng.uniform(0, math.pi)
    spacing = rng.uniform(9, 22)
    across = 2 * math.pi / spacing * (x * math.cos(turn) + y * math.sin(turn))
    along = 2 * math.pi / spacing * (y * math.cos(turn) - x * math.sin(turn))
    kinds = (
        np.clip(3 * np.sin(across), -0.6, 0.6),
        np.clip(6 * (np.cos(across) * np.cos(along) - 0.62), -0.3, 1),
        np.clip(8 * (np.maximum(np.cos(across), np.cos(along)) - 0.93), -0.25, 1),
        np.zeros_like(across),
    )
    chosen: Grey = kinds[rng.integers(len(kinds))].astype(np.float32)
    return chosen


def contrasting(paper_colour: str, taken: Collection[str], rng: np.random.Generator) -> str:
    """Choose a shape's colour that stands out from its paper and, if possible, is not taken."""
    clear = [colour for colour in COLOURS if _distance(colour, paper_colour) > _LEAST_CONTRAST]
    free = [colour for colour in clear if colour not in taken] or clear
    return free[rng.integers(len(free))]


def paint(picture: Picture, corners: Corners, inner: Corners | None, colour: str) -> None:
    """Paint an outline, without its hole, onto the picture in place.

    A soft shadow comes first, then the shape, lit from above.
    """
    cover = _coverage(picture.shape[0], picture.shape[1], corners)
    if inner is not None:
        cover = cover - _coverage(picture.shape[0], picture.shape[1], inner)
    shadow = Image.fromarray((255 * np.roll(cover, (2, 1), axis=(0, 1))).astype(np.uint8))
    soft = shadow.filter(ImageFilter.GaussianBlur(1.6))
    dark = np.asarray(soft, dtype=np.float32)[..., None] / 255
    picture *= 1 - 0.32 * dark
    top = corners[:, 1].min()
    bottom = corners[:, 1].max()
    rows = np.arange(picture.shape[0], dtype=np.float32)
    depth = (rows - top) / (bottom - top)  # 0 at the shape's top, 1 below
    light = 18 - 36 * np.clip(depth, 0, 1)[:, None, None]
    picture += cover[..., None] * (np.clip(_rgb(colour) + light, 0, 255) - picture)


def _coverage(height: int, width: int, corners: Corners) -> Grey:
    """Share of each pixel (H, W) inside an outline, in 0..1."""
    canvas = Image.new("L", (width * _SAMPLES, height * _SAMPLES))
    points = [(x, y) for x, y in (corners * _SAMPLES).tolist()]
    ImageDraw.Draw(canvas).polygon(points, fill=255)
    return np.asarray(canvas.reduce(_SAMPLES), dtype=np.float32) / np.float32(255)


def _distance(first: str, second: str) -> float:
    """Euclidean distance of two colours in RGB's 0..255."""
    difference = _rgb(first) - _rgb(second)
    return float(np.sqrt((difference**2).sum()))


def _rgb(colour: str) -> NDArray[np.float32]:
    return np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32)
