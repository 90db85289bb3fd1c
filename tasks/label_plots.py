"""Pictures of labels of every pixel.

Images are (H, W, 3) uint8 RGB, labels (H, W) uint8 of K classes or IGNORED.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.drawing import Color, Rectangle, class_color, text_font, write_tag
from tasks.files import AtomicFile
from tasks.images import Pixels
from tasks.labels import IGNORED, LabelMap
from tasks.outcomes import LOOKS, Look, Outcome
from tasks.picture_grid import CELL_TEXT, Draw, LegendEntry, write_grid

Labels = NDArray[np.uint8]
VOID: Color = (224, 224, 192)
"""Colour of ignored pixels in index PNGs, as in Pascal VOC."""
STRIPE = 8  # pixels from one line of the hatching to the next
BACKGROUND = "background"
LINE = 0.75  # opacity of the lines


def draw_labels(
    image: Pixels,
    labels: Labels,
    label_map: LabelMap,
    *,
    opacity: float = 0.55,
    text_height: float | None = None,
) -> Pixels:
    """Draw labels over a copy of the image, in the colours of their classes, with thin lines
    between them.

    Ignored pixels are gray and hatched, and the class background has no colour. The name of a class
    is written where there is room for it inside; `text_height` is in pixels, None takes it from the
    image's size.
    """
    assert image.shape[:2] == labels.shape, f"labels {labels.shape} of an image {image.shape}"
    base = np.where((labels == IGNORED)[..., None], _hatched(image), image)
    colours = palette(label_map)[labels]
    bare = [label for label, name in enumerate(label_map.names) if name == BACKGROUND]
    share = np.where(np.isin(labels, [IGNORED, *bare]), 0, opacity)[..., None]
    lined = _borders(labels)[..., None]
    mixed = base * (1 - share) + colours * share
    mixed = np.where(lined, mixed * (1 - LINE) + 255 * LINE, mixed)
    picture = Image.fromarray(np.round(mixed).astype(np.uint8))
    size = text_height or max(10.0, (picture.width * picture.height) ** 0.5 / 32)
    _write_names(picture, labels, label_map, size)
    return np.asarray(picture)


def draw_wrong(image: Pixels, truth: Labels, predicted: Labels) -> Pixels:
    """Show where labels are wrong: those pixels in the colour of wrong boxes over the gray image.

    Ignored pixels are hatched.
    """
    ignored = (truth == IGNORED)[..., None]
    gray = np.repeat(0.7 * image.mean(axis=2, keepdims=True) + 60, 3, axis=2)
    base = np.where(ignored, _hatched(image), gray)
    wrong = (truth != predicted)[..., None] & ~ignored
    color = np.array(LOOKS[Outcome.WRONG].color)
    mixed = np.where(wrong, 0.2 * base + 0.8 * color, base)
    return np.round(mixed).clip(0, 255).astype(np.uint8)


def wrong_share(truth: Labels, predicted: Labels) -> float:
    """Return the share of wrongly labelled pixels among those with a true label; nan without
    any.
    """
    counted = truth != IGNORED
    if not counted.any():
        return math.nan
    return float((truth != predicted)[counted].mean())


def labels_grid(
    images: Sequence[Pixels],
    names: Sequence[str],
    truths: Sequence[Labels],
    predictions: Sequence[Labels],
    label_map: LabelMap,
    path: str | Path,
    *,
    note: str = "",
    across: int = 2,
) -> None:
    """Write a picture with ground truth, predictions and wrong pixels of each image.

    `across` images stand in a row; `note` is written after the heading. Raises UserError if there
    is no image.
    """

    def draw(shown: Sequence[Labels]) -> Draw:
        def draw_one(index: int, pixels: Pixels) -> Pixels:
            resized = resize_labels(shown[index], (pixels.shape[0], pixels.shape[1]))
            return draw_labels(pixels, resized, label_map, text_height=CELL_TEXT)

        return draw_one

    def draw_mistakes(index: int, pixels: Pixels) -> Pixels:
        size = (pixels.shape[0], pixels.shape[1])
        truth = resize_labels(truths[index], size)
        return draw_wrong(pixels, truth, resize_labels(predictions[index], size))

    captions = []
    for name, truth, predicted in zip(names, truths, predictions, strict=True):
        captions.append(f"{name}: {100 * wrong_share(truth, predicted):.1f} % wrong")
    columns: list[tuple[str, Draw]] = [
        ("ground truth", draw(truths)),
        ("predictions", draw(predictions)),
        ("wrong pixels, in red", draw_mistakes),
    ]
    legend = _legend([*truths, *predictions], label_map)
    write_grid(images, captions, columns, legend, path, note=note, across=across)


def _legend(shown: Sequence[Labels], label_map: LabelMap) -> list[LegendEntry]:
    """Return the colours of the classes that are drawn, the largest class first."""
    counts = np.zeros(IGNORED + 1, np.int64)
    for labels in shown:
        counts += np.bincount(labels.ravel(), minlength=len(counts))
    entries = []
    for label in np.argsort(-counts[:IGNORED], kind="stable").tolist():
        if counts[label] and label_map.names[label] != BACKGROUND:
            color = Look(class_color(label_map, label))
            entries.append(LegendEntry(label_map.names[label], color))
    return entries


def resize_labels(labels: Labels, size: tuple[int, int]) -> Labels:
    """Resize labels to (height, width) by the nearest neighbour."""
    picture = Image.fromarray(labels)
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.NEAREST))


def palette(label_map: LabelMap) -> NDArray[np.uint8]:
    """Return the colours (256, 3) of all label values; black for values that are not classes."""
    colours = np.zeros((IGNORED + 1, 3), np.uint8)
    for label in range(label_map.num_classes):
        colours[label] = class_color(label_map, label)
    colours[IGNORED] = VOID
    return colours


def save_index_png(labels: Labels, label_map: LabelMap, path: str | Path) -> None:
    """Write labels as the values of a PNG; its palette shows them in the colours of the classes."""
    picture = Image.fromarray(labels)
    picture.putpalette(palette(label_map).tobytes())
    with AtomicFile(Path(path), lasting=False) as file:
        picture.save(file, "PNG")


def _hatched(image: Pixels) -> Pixels:
    """Return the image in gray with diagonal lines."""
    gray = 0.6 * image.mean(axis=2) + 50
    rows, columns = np.indices(image.shape[:2])
    lines = (rows + columns) % STRIPE == 0
    gray = np.where(lines, 0.4 * gray, gray)
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def _borders(labels: Labels) -> NDArray[np.bool_]:
    """The pixels (H, W) whose neighbour on the right or below has another label."""
    borders = np.zeros(labels.shape, np.bool_)
    borders[:, :-1] = labels[:, :-1] != labels[:, 1:]
    borders[:-1] |= labels[:-1] != labels[1:]
    return borders


def _write_names(
    picture: Image.Image, labels: Labels, label_map: LabelMap, text_height: float
) -> None:
    """Write each class's name once, where it hides nothing but its own class."""
    pen = ImageDraw.Draw(picture, "RGBA")
    font = text_font(max(8, round(0.8 * text_height)), bold=True)
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=IGNORED)[:IGNORED])
    for label in present.tolist():
        name = label_map.names[label]
        if name == BACKGROUND:
            continue
        width = round(font.getlength(name) + 0.5 * text_height)
        patch = _room(labels == label, width, round(1.1 * text_height))
        if patch is not None:
            write_tag(pen, patch, name, font, class_color(label_map, label))


def _room(inside: NDArray[np.bool_], width: int, height: int) -> Rectangle | None:
    """Find the patch wholly inside a class (H, W) that is nearest to the middle of all such
    patches; None without any.
    """
    if inside.shape[0] < height or inside.shape[1] < width:
        return None
    sums = np.pad(inside.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    covered = sums[height:, width:] - sums[:-height, width:]
    covered = covered - sums[height:, :-width] + sums[:-height, :-width]
    places = np.argwhere(covered == width * height)  # of the upper left corners
    if not len(places):
        return None
    distances = np.square(places - places.mean(axis=0)).sum(axis=1)
    top, left = places[distances.argmin()].tolist()
    return left, top, left + width - 1, top + height - 1
