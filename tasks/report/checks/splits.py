"""The contents of a split, as pictures and charts."""

from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.checks.overview import LARGE, SMALL, Example, ObjectSizes, Overview
from tasks.datasets.checks.report import CheckedSplit
from tasks.drawing import class_color
from tasks.images import Pixels
from tasks.label_plots import draw_labels, resize_labels
from tasks.labels import LabelMap
from tasks.plots import draw_boxes
from tasks.report.checks.charts import (
    ClassBar,
    class_bars,
    common_sizes,
    image_size_chart,
    size_chart,
)
from tasks.report.images import data_url, thumbnail
from tasks.report.page import folded, paragraph, tiles

STYLE = """
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));
gap:12px;align-items:start;margin:0 0 16px}
.examples img{max-width:100%;max-height:340px;height:auto;display:block;margin:0 auto;
border-radius:4px}
"""
SHOWN = 12  # random images of a split
SIDE = 480  # pixels of their longer side
CLASS_SIDE = 200  # of an image with one class
TEXT = 15  # pixels, height of what is written into an image
TITLES = {
    "objects": "objects of each class",
    "images": "images of each class",
    "pixels": "share of the pixels of each class",
}


def split_section(split: CheckedSplit, seed: int) -> str:
    """Show a split: numbers, random images drawn by the seed, charts, and all counts."""
    parts = [paragraph(str(split.source))]
    notes = [line for line in split.contents if line.startswith("note: ")]
    if split.overview is None:
        parts.append(paragraph("It cannot be read; the findings say why."))
    else:
        overview = split.overview()
        parts += [_tiles(overview), *map(paragraph, notes)]
        parts += [_examples(overview, seed), *_charts(overview)]
    if split.contents:
        printed = escape("\n".join(split.contents))
        parts.append(folded("All that was counted, as text", f"<pre>{printed}</pre>"))
    return "".join(parts)


def _tiles(overview: Overview) -> str:
    entries = [("images", str(len(overview.sizes)), "that can be read")]
    sizes = {(height, width) for height, width in overview.sizes.tolist()}
    if len(sizes) == 1:
        ((height, width),) = sizes
        entries.append(("image size", f"{width}x{height}", "pixels, all of them"))
    absent = int((overview.by_class == 0).sum())
    lacking = f"{absent} without any here" if absent else "each is here"
    entries.append(("classes", str(len(overview.by_class)), lacking))
    if overview.objects is not None:
        areas = overview.objects.areas
        share = 100 * (areas < SMALL).mean()
        entries.append(("objects", str(len(areas)), "crowds left out"))
        entries.append(("small objects", f"{share:.0f} %", "area below 32x32 pixels"))
    return tiles(entries)


def _examples(overview: Overview, seed: int) -> str:
    """A dozen images drawn by the seed, without those that cannot be read."""
    order = np.random.default_rng(seed).permutation(overview.examples)
    figures: list[str] = []
    for index in order[: 3 * SHOWN].tolist():
        if len(figures) == SHOWN:
            break
        try:
            example = overview.example(index)
        except UserError:
            continue
        figures.append(_figure(example, overview.label_map))
    if not figures:
        return paragraph("There is no annotated image that can be shown.")
    frame = "thumbnails" if overview.counted == "images" else "examples"
    heading = f"<h3>{len(figures)} random images, as they are annotated</h3>"
    return f'{heading}<div class="{frame}">{"".join(figures)}</div>'


def _figure(example: Example, label_map: LabelMap) -> str:
    """An image with its annotations, its name and its class."""
    address = data_url(drawn(example, label_map))
    name = escape(Path(example.name).name)
    caption = name
    if example.class_name:
        caption = f"<b>{escape(example.class_name)}</b><br>{name}"
    return f'<figure><img src="{address}" alt="{name}"><small>{caption}</small></figure>'


def drawn(example: Example, label_map: LabelMap) -> Pixels:
    """The image at its shown size, with boxes or labels drawn after resizing."""
    if example.class_name:
        return _sharp(example.pixels)
    pixels = thumbnail(example.pixels, SIDE)
    height, width = pixels.shape[:2]
    if example.labels is not None:
        labels = resize_labels(example.labels, (height, width))
        return draw_labels(pixels, labels, label_map, text_height=TEXT)
    assert example.boxes is not None, "an example has a class, boxes or labels"
    scale = (width / example.pixels.shape[1], height / example.pixels.shape[0])
    return draw_boxes(pixels, example.boxes.scaled(*scale), label_map, text_height=TEXT)


def _sharp(pixels: Pixels) -> Pixels:
    """The image, CLASS_SIDE pixels long; a small one grows by a whole factor, so that its pixels
    stay squares.
    """
    longer = max(pixels.shape[:2])
    if longer > CLASS_SIDE // 2:
        return thumbnail(pixels, CLASS_SIDE)
    factor = CLASS_SIDE // longer
    picture = Image.fromarray(pixels)
    size = (picture.width * factor, picture.height * factor)
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST))


def _charts(overview: Overview) -> list[str]:
    """Charts of the classes, and of the sizes side by side below."""
    charts = [class_bars(TITLES[overview.counted], _bars(overview)), '<div class="charts">']
    if overview.objects is not None:
        charts += [_object_sizes(overview.objects), _anchor_sizes(overview.objects)]
    pairs = [(height, width) for height, width in overview.sizes.tolist()]
    if len(set(pairs)) > 1:
        charts.append(image_size_chart("image sizes", overview.sizes, common_sizes(pairs)))
    return [*charts, "</div>"]


def _bars(overview: Overview) -> list[ClassBar]:
    """Bars of the classes, the most frequent first."""
    label_map = overview.label_map
    bars: list[ClassBar] = []
    for label in np.argsort(-overview.by_class, kind="stable").tolist():
        value = float(overview.by_class[label])
        text = f"{100 * value:.2f} %" if overview.counted == "pixels" else f"{value:.0f}"
        color = class_color(label_map, label)
        bars.append(ClassBar(label_map.names[label], value, text, color))
    return bars


def _object_sizes(objects: ObjectSizes) -> str:
    """Chart of the objects' sizes in the file, with COCO's limits."""
    small = int((objects.areas < SMALL).sum())
    large = int((objects.areas >= LARGE).sum())
    note = (
        f"Lines: COCO's limits, areas of 32x32 and 96x96 pixels. {small} objects are small,"
        f" {len(objects.areas) - small - large} medium, {large} large."
    )
    limits = (SMALL**0.5, LARGE**0.5)
    x_title = "root of the area, in pixels of the file"
    return size_chart("object sizes", np.sqrt(objects.areas), limits, x_title, note)


def _anchor_sizes(objects: ObjectSizes) -> str:
    """Chart of the objects' sizes in the network, with those of the anchors."""
    grid = objects.grid
    met = 100 * (objects.best_iou >= 0.5).mean()
    note = (
        f"Lines: sizes of the anchors. {met:.0f} % of the objects have an IoU of 0.5 or more with"
        " one; where few have, change model.anchors.sizes or data.short_edge."
    )
    title = f"box sizes after the resize to {grid.short_edge}/{grid.long_edge}"
    x_title = "root of the box's area, in pixels of the resized image"
    return size_chart(title, objects.resized, grid.sizes, x_title, note)
