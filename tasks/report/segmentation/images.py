"""The images whose labels are worst, as small JPEGs inside the page.  K classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.drawing import class_color
from tasks.images import Labels, Pixels
from tasks.label_plots import BACKGROUND, draw_labels, draw_wrong, resize_labels, wrong_share
from tasks.report.charts import legend
from tasks.report.images import blank, pair_figure, read_or_blank, thumbnail
from tasks.report.page import css_color, paragraph, percent
from tasks.report.segmentation.evaluated import Evaluated
from tasks.scoring.semantic import class_counts, class_ious, confusion_matrix
from tasks.scoring.semantic_results import LabelledImage

NAMED = 3  # of an image's worst classes
TEXT_HEIGHT = 16  # of the names in an image


def worst_section(evaluated: Evaluated) -> str:
    """Show the kept images: ground truth beside predictions, drawn."""
    worst = evaluated.results.worst
    if not worst:
        return paragraph("There is none.")
    note = (
        f"The {len(worst)} of {len(evaluated.results)} images with the lowest mean IoU over the"
        " classes that they show: ground truth, predictions, and wrong pixels in red over the gray"
        " image. What is hatched is ignored."
    )
    figures = "".join(_figure(evaluated, image) for image in worst)
    return f'{paragraph(note)}{_legend(evaluated)}<div class="pictures">{figures}</div>'


def _legend(evaluated: Evaluated) -> str:
    """The colours of the classes that the images show."""
    shown = np.zeros(evaluated.label_map.num_classes, np.bool_)
    for image in evaluated.results.worst:
        _, true, predicted = _counts(evaluated, image)
        shown |= true + predicted > 0
    entries: list[tuple[str, str]] = []
    for label in np.flatnonzero(shown).tolist():
        color = class_color(evaluated.label_map, label)
        if evaluated.label_map.names[label] == BACKGROUND:
            continue  # which has no colour in the pictures
        entries.append((evaluated.label_map.names[label], css_color(color)))
    return legend(entries)


def _figure(evaluated: Evaluated, image: LabelledImage) -> str:
    """An image twice, with its name and worst classes below."""
    name = evaluated.scored.name(image.image_id)
    pixels, problem = _pixels(evaluated, image)
    small = thumbnail(pixels)
    size = (small.shape[0], small.shape[1])
    truth = resize_labels(image.truth, size)
    predicted = resize_labels(image.predicted, size)
    pictures = [
        ("ground truth", _drawn(small, truth, evaluated)),
        ("predictions", _drawn(small, predicted, evaluated)),
        ("wrong pixels", draw_wrong(small, truth, predicted)),
    ]
    return pair_figure(name, pictures, [_says(evaluated, image)], problem)


def _pixels(evaluated: Evaluated, image: LabelledImage) -> tuple[Pixels, str]:
    """The image, or a blank with what is wrong with it."""
    height, width = image.truth.shape
    path = evaluated.image_root / evaluated.scored.name(image.image_id)
    pixels, problem = read_or_blank(path, evaluated.exif, (height, width))
    if not problem and pixels.shape[:2] != (height, width):
        return blank((height, width)), "the image has another size than its labels"
    return pixels, problem


def _drawn(pixels: Pixels, labels: Labels, evaluated: Evaluated) -> Pixels:
    """Labels over an image of their size."""
    return draw_labels(pixels, labels, evaluated.label_map, text_height=TEXT_HEIGHT)


def _says(evaluated: Evaluated, image: LabelledImage) -> str:
    """An image's score, and its worst classes."""
    counts = _counts(evaluated, image)
    own = np.flatnonzero(counts[1])
    ious = class_ious(counts)
    order = own[np.argsort(ious[own], kind="stable")][:NAMED].tolist()
    names = evaluated.label_map.names
    worst = ", ".join(f"{names[label]} {percent(float(ious[label]), 0)}" for label in order)
    wrong = percent(wrong_share(image.truth, image.predicted))
    score = f"mean IoU {percent(image.score)} of its {len(own)} classes"
    return f"{wrong} % of the pixels wrong · {score} · lowest: {worst}"


def _counts(evaluated: Evaluated, image: LabelledImage) -> NDArray[np.int64]:
    """Pixels (3, K) of an image: right, true, predicted."""
    classes = evaluated.label_map.num_classes
    return class_counts(confusion_matrix(image.truth, image.predicted, classes))
