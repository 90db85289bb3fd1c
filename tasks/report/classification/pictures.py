"""The most telling images of a classifier, as HTML."""

from html import escape
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from tasks.report.classification.evaluated import Evaluated
from tasks.report.images import data_url, read_or_blank, thumbnail
from tasks.report.page import paragraph, percent

MISTAKES = 24  # images that are shown
UNSURE = 12
SIDE = 160  # pixels of an image's longer side


def mistakes_section(evaluated: Evaluated) -> str:
    """Show the mistakes of highest confidence: the model errs, or the label does."""
    results = evaluated.results
    wrong = np.flatnonzero(~results.right())
    most = wrong[np.argsort(-results.confidences[wrong], kind="stable")][:MISTAKES]
    note = paragraph(
        f"The {len(most)} of {len(wrong)} wrong predictions with the highest probability: the model"
        " errs, or the label does."
    )
    return note + _gallery(evaluated, most)


def unsure_section(evaluated: Evaluated) -> str:
    """Show the images that are right with the lowest confidence."""
    results = evaluated.results
    right = np.flatnonzero(results.right())
    least = right[np.argsort(results.confidences[right], kind="stable")][:UNSURE]
    return paragraph(
        f"The {len(least)} of {len(right)} right predictions with the lowest probability."
    ) + _gallery(evaluated, least)


def _gallery(evaluated: Evaluated, rows: NDArray[np.intp]) -> str:
    """Gallery of the images of these rows of the results."""
    if not rows.size:
        return paragraph("There is none.")
    figures = [_figure(evaluated, row) for row in rows.tolist()]
    return f'<div class="thumbnails">{"".join(figures)}</div>'


def _figure(evaluated: Evaluated, row: int) -> str:
    """An image with its true and its predicted class."""
    results = evaluated.results
    index = int(results.image_ids[row]) - 1
    pixels, problem = read_or_blank(evaluated.read_image(index), evaluated.exif)
    name = escape(evaluated.name(index))
    names = evaluated.label_map.names
    lines = [
        _class(names[results.predicted[row]], results.probabilities[row, 0]),
        _truth(evaluated, row),
        escape(_short(evaluated.name(index))),
        escape(problem),
    ]
    caption = "<br>".join(line for line in lines if line)
    address = data_url(thumbnail(pixels, SIDE))
    return f'<figure><img src="{address}" alt="{name}"><small>{caption}</small></figure>'


def _short(name: str) -> str:
    """The last folder and file of a path, which tell images apart."""
    parts = PurePath(name).parts
    return name if len(parts) <= 2 else str(PurePath("…", *parts[-2:]))


def _truth(evaluated: Evaluated, row: int) -> str:
    """True class of a mistake, with its probability if known."""
    results = evaluated.results
    label = results.labels[row]
    if results.predicted[row] == label:
        return ""
    known = results.probabilities[row, results.ranked[row] == label]
    probability = known[0] if known.size else None
    return f"truth: {_class(evaluated.label_map.names[label], probability)}"


def _class(name: str, probability: np.float32 | None) -> str:
    """A class, with its probability if known."""
    behind = "" if probability is None else f" {percent(float(probability))}&nbsp;%"
    return f"<b>{escape(name)}</b>{behind}"
