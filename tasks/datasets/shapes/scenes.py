"""A small data set drawn by a program: shapes on textured paper, in COCO's format and as class
folders.

Every picture follows from (seed, split, number) alone, so the same arguments give the same bytes.
 H and W are height and width in pixels; masks are (H, W) bool; boxes are COCO's (x, y, width,
height).
"""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as masks

from resnet_backbones.errors import UserError
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
Split = Literal["train", "val"]

ASPECTS = ((1.0, 0.75), (0.75, 1.0), (5 / 6, 5 / 6))  # width and height, times `size`
SMALL = 32**2  # square pixels: COCO's limit of small objects
_CROWD_EVERY = 16  # images
_LEAST_VISIBLE = 0.6  # share of an object that stays uncovered
_CROP = 48  # side of a classifier's picture, in pixels


@dataclass(frozen=True)
class Item:
    """One annotation: the outlines that were drawn (several for a crowd) and the pixels
    they cover.
    """

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

    def visible(self, place: int) -> Mask:
        """Pixels of an item that no later one covers."""
        shown = self.items[place].mask.copy()
        for later in self.items[place + 1 :]:
            shown &= ~later.mask
        return shown

    def colours_under(self, mask: Mask) -> set[str]:
        """Colours of the items that `mask` would overlap."""
        return {
            colour for item in self.items if (item.mask & mask).any() for colour in item.colours
        }

    def hides_too_much(self, mask: Mask) -> bool:
        """Whether `mask` on top would leave too little of an item."""
        shown = [int((self.visible(place) & ~mask).sum()) for place in range(len(self.items))]
        return any(
            left < _LEAST_VISIBLE * item.mask.sum() or (item.crowd and left < item.mask.sum())
            for left, item in zip(shown, self.items, strict=True)
        )


def draw_shapes(
    out: str | Path, *, train: int = 400, val: int = 100, seed: int = 0, size: int = 192
) -> str:
    """Draw the data set into the folder `out` and return a line that says what it holds.

    `train` and `val` count images, `size` is their longer side in pixels (at least 96). A folder
    that already holds this very data set is left as it is; one that holds anything else is refused
    with UserError.
    """
    for name, value, least in (
        ("train", train, 1),
        ("val", val, 1),
        ("seed", seed, 0),
        ("size", size, 96),
    ):
        if value < least:
            raise UserError(f"{name} must be >= {least}, got {value}")
    out = Path(out)
    recipe = {
        "description": "drawn shapes",
        "version": "1",
        "seed": seed,
        "size": size,
        "train": train,
        "val": val,
    }
    if not (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        _draw_all(out, recipe, {"train": train, "val": val}, seed, size)
    return _summary(out, recipe)


def _draw_all(
    out: Path, recipe: dict[str, Any], counts: dict[Split, int], seed: int, size: int
) -> None:
    """Draw beside `out` and rename, so that an interrupted drawing leaves no half data set."""
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    for split, count in counts.items():
        _draw_split(partial, split, count, seed, size, recipe)
    if out.exists():
        out.rmdir()
    partial.rename(out)


def _summary(out: Path, recipe: dict[str, Any]) -> str:
    files = [out / "annotations" / f"instances_{split}.json" for split in ("train", "val")]
    contents = [json.loads(file.read_text()) for file in files if file.is_file()]
    if len(contents) != 2 or any(content.get("info") != recipe for content in contents):
        raise UserError(
            f"{out} must be empty or hold the same drawn data set, but holds something else; choose"
            " another"
        )
    objects = [record for content in contents for record in content["annotations"]]
    single = [record for record in objects if not record["iscrowd"]]
    small = sum(record["area"] < SMALL for record in single) / len(single)
    train, val = (len(content["images"]) for content in contents)
    return (
        f"{out}: {train} train and {val} val images, {len(single)} objects of {len(CLASSES)}"
        f" classes ({small:.0%} small), {len(objects) - len(single)} crowds"
    )


def _draw_split(
    out: Path, split: Split, count: int, seed: int, size: int, recipe: dict[str, Any]
) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for folder in (
        out / split,
        out / "annotations",
        *(out / "classifier" / split / name for name in CLASSES),
    ):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        scene = draw_scene(seed, split, number, size)
        picture = Image.fromarray(np.clip(scene.picture + 0.5, 0, 255).astype(np.uint8))
        name = f"{number + 1:06d}.jpg"
        picture.save(out / split / name, quality=95, subsampling=0)
        images.append(
            {"id": number + 1, "file_name": name, "height": picture.height, "width": picture.width}
        )
        for place in range(len(scene.items)):
            record = {
                "id": len(annotations) + 1,
                "image_id": number + 1,
                **_annotation(scene, place),
            }
            annotations.append(record)
            if not record["iscrowd"]:
                folder = out / "classifier" / split / CLASSES[scene.items[place].label]
                _crop(picture, record["bbox"]).save(folder / f"{record['id']:06d}.png")
    categories = [
        {"id": label + 1, "name": name, "supercategory": "shape"}
        for label, name in enumerate(CLASSES)
    ]
    content = {
        "info": recipe,
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    (out / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def draw_scene(seed: int, split: Split, number: int, size: int) -> Scene:
    """One picture with two to seven shapes, in every sixteenth also a crowd of tiny ones."""
    rng = np.random.default_rng([seed, split == "val", number])
    width, height = (round(size * part) for part in ASPECTS[rng.integers(len(ASPECTS))])
    scene = Scene(*paper(height, width, rng))
    if number % _CROWD_EVERY == 1:
        _add(scene, _crowd(height, width, rng), rng)
    wanted = len(scene.items) + int(rng.integers(2, 8))
    for _ in range(40):  # attempts
        if len(scene.items) == wanted:
            break
        item = _single(height, width, size, rng)
        if not scene.hides_too_much(item.mask):
            _add(scene, item, rng)
    return scene


def _add(scene: Scene, item: Item, rng: np.random.Generator) -> None:
    taken = scene.colours_under(item.mask)
    colours = tuple(contrasting(scene.paper_colour, taken, rng) for _ in item.outlines)
    for corners, colour in zip(item.outlines, colours, strict=True):
        paint(scene.picture, corners, hole(item.label, corners), colour)
    scene.items.append(replace(item, colours=colours))


def _single(height: int, width: int, size: int, rng: np.random.Generator) -> Item:
    """A shape of 1/16 to 5/12 of the picture's longer side; a quarter of them in the lower part of
    that range.
    """
    label = int(rng.integers(len(CLASSES)))
    low, high = (size / 16, size / 6) if rng.random() < 0.25 else (size / 6, size / 2.4)
    corners = _placed(
        outline(label, rng), rng.uniform(low, high), (1.0, 1.0), (width - 1.0, height - 1.0), rng
    )
    return Item(label, (corners,), _raster(label, corners, height, width))


def _crowd(height: int, width: int, rng: np.random.Generator) -> Item:
    """Twelve tiny shapes of one class, close together."""
    label, cell = int(rng.integers(len(CLASSES))), 12.0
    left, top = rng.uniform(1, width - 4 * cell - 1), rng.uniform(1, height - 3 * cell - 1)
    cells = [(left + cell * column, top + cell * row) for row in range(3) for column in range(4)]
    outlines = tuple(
        _placed(outline(label, rng), 9.5, (x, y), (x + cell, y + cell), rng) for x, y in cells
    )
    covered = np.any([_raster(label, corners, height, width) for corners in outlines], axis=0)
    return Item(label, outlines, covered, crowd=True)


def _placed(
    unit: Corners,
    side: float,
    low: tuple[float, float],
    high: tuple[float, float],
    rng: np.random.Generator,
) -> Corners:
    """A unit outline at a size, somewhere between two corners (x, y), on hundredths of a pixel."""
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
    decoded: Mask = masks.decode(masks.frPyObjects([corners.ravel().tolist()], height, width))[
        :, :, 0
    ].astype(bool)
    return decoded


def _annotation(scene: Scene, place: int) -> dict[str, Any]:
    """Category, mask, box and area; the mask is a polygon where that tells all, else run
    lengths.
    """
    item, shown = scene.items[place], scene.visible(place)
    encoded = masks.encode(np.asfortranarray(shown.astype(np.uint8)))
    box = [float(value) for value in masks.toBbox(encoded)]
    segmentation: Any = {"size": list(shown.shape), "counts": encoded["counts"].decode()}
    if item.crowd:
        segmentation = {"size": list(shown.shape), "counts": _run_lengths(shown)}
    elif hole(item.label, item.outlines[0]) is None and bool((shown == item.mask).all()):
        corners = item.outlines[0]
        segmentation = [corners.ravel().tolist()]
        low, high = corners.min(axis=0), corners.max(axis=0)
        box = [round(float(value), 2) for value in (*low, *(high - low))]
    return {
        "category_id": item.label + 1,
        "iscrowd": int(item.crowd),
        "area": float(shown.sum()),
        "bbox": box,
        "segmentation": segmentation,
    }


def _run_lengths(mask: Mask) -> list[int]:
    """COCO's uncompressed run lengths: columns first, starting with the zeros."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def _crop(picture: Image.Image, box: list[float]) -> Image.Image:
    """The square around a box with a quarter more on each axis, moved inside the picture, at the
    classifier's size.
    """
    x, y, width, height = box
    side = min(1.25 * max(width, height), *picture.size)
    left = min(max(x + width / 2 - side / 2, 0.0), picture.width - side)
    top = min(max(y + height / 2 - side / 2, 0.0), picture.height - side)
    area = (left, top, left + side, top + side)
    return picture.resize((_CROP, _CROP), Image.Resampling.BICUBIC, box=area)
