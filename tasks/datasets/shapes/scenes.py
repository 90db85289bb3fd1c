"""Scenes of the drawn data set: shapes of several classes on textured paper.

Every scene follows from (seed, split, number) alone.  H and W are height and width in pixels; masks
are (H, W) bool.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as masks

from tasks.datasets.shapes.art import (
    CLASSES,
    Corners,
    Picture,
    contrasting,
    hole,
    outline,
    paint,
    paper,
)

Mask = NDArray[np.bool_]
Point = tuple[float, float]  # x, y
Split = Literal["train", "val"]

ASPECTS = ((1.0, 0.75), (0.75, 1.0), (5 / 6, 5 / 6))  # width and height, times `size`
_CROWD_EVERY = 16  # images
_CELL = 12.0  # pixels that a shape of a crowd has for itself
_ATTEMPTS = 40  # at placing another shape
_LEAST_VISIBLE = 0.6  # share of an object that stays uncovered


@dataclass(frozen=True)
class Item:
    """One annotation: its outlines (several for a crowd) and the pixels that they cover."""

    label: int
    outlines: tuple[Corners, ...]
    mask: Mask
    colours: tuple[str, ...] = ()  # one an outline, chosen when it is painted
    crowd: bool = False


@dataclass
class Scene:
    """A picture with its items, the later ones on top."""

    picture: Picture
    paper_colour: str
    items: list[Item] = field(default_factory=list)

    def visible(self, index: int) -> Mask:
        """Return the pixels of an item that no later one covers."""
        shown = self.items[index].mask.copy()
        for later in self.items[index + 1 :]:
            shown &= ~later.mask
        return shown

    def colours_under(self, mask: Mask) -> set[str]:
        """Return the colours of the items that `mask` would overlap."""
        colours: set[str] = set()
        for item in self.items:
            if (item.mask & mask).any():
                colours.update(item.colours)
        return colours

    def hides_too_much(self, mask: Mask) -> bool:
        """Tell whether `mask` on top would leave too little of an item."""
        for index, item in enumerate(self.items):
            left = int((self.visible(index) & ~mask).sum())
            whole = item.mask.sum()
            if left < _LEAST_VISIBLE * whole or (item.crowd and left < whole):
                return True
        return False


def draw_scene(seed: int, split: Split, number: int, size: int) -> Scene:
    """Draw one picture with two to seven shapes, in every sixteenth also a crowd of tiny ones."""
    rng = np.random.default_rng([seed, split == "val", number])
    aspect = ASPECTS[rng.integers(len(ASPECTS))]
    width = round(size * aspect[0])
    height = round(size * aspect[1])
    picture, paper_colour = paper(height, width, rng)
    scene = Scene(picture, paper_colour)
    if number % _CROWD_EVERY == 1:
        _add(scene, _crowd(height, width, rng), rng)
    wanted = len(scene.items) + int(rng.integers(2, 8))
    for _ in range(_ATTEMPTS):
        if len(scene.items) == wanted:
            break
        item = _single(height, width, size, rng)
        if not scene.hides_too_much(item.mask):
            _add(scene, item, rng)
    return scene


def _add(scene: Scene, item: Item, rng: np.random.Generator) -> None:
    """Paint an item, in colours that stand out from what is below."""
    taken = scene.colours_under(item.mask)
    colours = tuple(contrasting(scene.paper_colour, taken, rng) for _ in item.outlines)
    for corners, colour in zip(item.outlines, colours, strict=True):
        paint(scene.picture, corners, hole(item.label, corners), colour)
    scene.items.append(replace(item, colours=colours))


def _single(height: int, width: int, size: int, rng: np.random.Generator) -> Item:
    """A shape of 1/16 to 5/12 of the picture's longer side; a quarter of them below a sixth."""
    label = int(rng.integers(len(CLASSES)))
    is_small = rng.random() < 0.25
    low = size / 16 if is_small else size / 6
    high = size / 6 if is_small else size / 2.4
    unit = outline(label, rng)
    side = rng.uniform(low, high)
    corners = _placed(unit, side, (1.0, 1.0), (width - 1.0, height - 1.0), rng)
    return Item(label, (corners,), _raster(label, corners, height, width))


def _crowd(height: int, width: int, rng: np.random.Generator) -> Item:
    """Twelve tiny shapes of one class, close together."""
    label = int(rng.integers(len(CLASSES)))
    left = rng.uniform(1, width - 4 * _CELL - 1)
    top = rng.uniform(1, height - 3 * _CELL - 1)
    outlines: list[Corners] = []
    for index in range(12):
        row, column = divmod(index, 4)
        x = left + _CELL * column
        y = top + _CELL * row
        unit = outline(label, rng)
        outlines.append(_placed(unit, 9.5, (x, y), (x + _CELL, y + _CELL), rng))
    covered = np.any([_raster(label, corners, height, width) for corners in outlines], axis=0)
    return Item(label, tuple(outlines), covered, crowd=True)


def _placed(
    unit: Corners, side: float, low: Point, high: Point, rng: np.random.Generator
) -> Corners:
    """A unit outline at a size, somewhere between two corners, on hundredths of a pixel."""
    scaled = unit * side
    shift = rng.uniform(np.array(low) - scaled.min(axis=0), np.array(high) - scaled.max(axis=0))
    placed: Corners = np.round(scaled + shift, 2)
    return placed


def _raster(label: int, corners: Corners, height: int, width: int) -> Mask:
    """Pixels that pycocotools counts as inside an outline and outside its hole."""
    inner = hole(label, corners)
    pixels = _inside(corners, height, width)
    return pixels if inner is None else pixels & ~_inside(inner, height, width)


def _inside(corners: Corners, height: int, width: int) -> Mask:
    polygon = corners.ravel().tolist()
    encoded = masks.frPyObjects([polygon], height, width)
    decoded: Mask = masks.decode(encoded)[:, :, 0].astype(bool)
    return decoded
