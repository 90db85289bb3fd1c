"""Annotations that confident detections contradict, with pictures of them, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset, read_annotation_ids
from tasks.images import Pixels
from tasks.labels import FileId
from tasks.outcomes import LOOKS, Outcome
from tasks.plots import LabelledBoxes, draw_boxes
from tasks.report.images import data_url, thumbnail
from tasks.report.instances.images import Pictures
from tasks.report.page import css_color, paragraph

LISTED = 24  # annotations
SIDE = 280  # pixels of a picture's longer side
TEXT_HEIGHT = 15  # of the names in a picture
AROUND = 2.2  # side of what is shown, in sides of the boxes
LEAST = 80  # pixels of the original that are shown
Suspect = Mapping[str, Any]  # hotcoco's `type`, `image_id`, `gt_id`, `dt_id`, `dt_score`, …


def suspects_section(pictures: Pictures) -> str:
    """Show the annotations to look at, the most confident detections first; empty without any."""
    suspects = pictures.analysis.suspects
    if not suspects:
        return ""
    shown = suspects[:LISTED]
    dotted = _line(Outcome.MISSED)
    dashed = _line(Outcome.WRONG)
    note = paragraph(
        f"Detections of high score that the ground truth contradicts ({len(shown)} of"
        f" {len(suspects)}): the detector errs, or the labels do."
    )
    key = f"<li>{dotted}the annotation</li><li>{dashed}the detection</li>"
    ids = _annotation_ids(pictures.dataset, shown)
    figures = ""
    for suspect, annotation in zip(shown, ids, strict=True):
        figures += _figure(pictures, suspect, annotation)
    return f'{note}<ul class="outcomes">{key}</ul><div class="thumbnails large">{figures}</div>'


def _line(outcome: Outcome) -> str:
    """A small box in the line of an outcome."""
    look = LOOKS[outcome]
    return f'<i style="border-style:{look.line};border-color:{css_color(look.color)}"></i>'


def _annotation_ids(dataset: CocoDataset, suspects: Sequence[Suspect]) -> list[FileId | None]:
    """The annotations' ids in the file; None where there is no annotation."""
    rows = [suspect["gt_id"] - 1 for suspect in suspects if suspect.get("gt_id")]
    ids = dict(zip(rows, read_annotation_ids(dataset, rows), strict=True))
    return [ids.get((suspect.get("gt_id") or 0) - 1) for suspect in suspects]


def _figure(pictures: Pictures, suspect: Suspect, annotation: FileId | None) -> str:
    """What the detection is about, with file name and annotation id."""
    dataset = pictures.dataset
    image_id = int(suspect["image_id"])
    pixels, problem = pictures.read(image_id)
    address = data_url(pixels if problem else _picture(pictures, pixels, suspect))
    name = escape(str(dataset.file_names[image_id - 1]))
    annotated = suspect.get("gt_category") or "nothing"
    found = f"{suspect['dt_category']} {suspect['dt_score']:.2f}"
    lines = [
        f"<b>{escape(str(suspect['type']).replace('_', ' '))}</b>",
        escape(f"annotated: {annotated}, found: {found}"),
        name,
        escape(_place(pictures, suspect, annotation)),
        escape(problem),
    ]
    below = "<br>".join(line for line in lines if line)
    return f'<figure><img src="{address}" alt="{name}"><small>{below}</small></figure>'


def _place(pictures: Pictures, suspect: Suspect, annotation: FileId | None) -> str:
    """Where to look: the annotation's id or, where there is none, the box that was found."""
    if annotation is not None:
        return f"annotation {annotation}"
    box = pictures.analysis.used.boxes[int(suspect["dt_id"]) - 1]
    x, y, width, height = (f"{value:.0f}" for value in box.tolist())
    return f"no annotation at x {x}, y {y}, {width} x {height} pixels"


def _picture(pictures: Pictures, pixels: Pixels, suspect: Suspect) -> Pixels:
    """The image around the two boxes, which are drawn."""
    dataset = pictures.dataset
    used = pictures.analysis.used
    place = int(suspect["dt_id"]) - 1
    boxes = [used.boxes[place]]
    labels = [used.labels[place]]
    outcomes = [Outcome.WRONG]
    if suspect.get("gt_id"):
        row = int(suspect["gt_id"]) - 1
        boxes.append(dataset.boxes[row])
        labels.append(dataset.labels[row])
        outcomes.append(Outcome.MISSED)
    corners = to_corners(np.array(boxes))
    left, top, right, bottom = window_around(corners, (pixels.shape[1], pixels.shape[0]))
    small = thumbnail(pixels[top:bottom, left:right], SIDE)
    scale = SIDE / max(right - left, bottom - top)
    moved = (corners - np.array([left, top, left, top])) * scale
    shown = LabelledBoxes(moved, np.array(labels, np.int64), outcomes=outcomes)
    return draw_boxes(small, shown, dataset.label_map, text_height=TEXT_HEIGHT)


def window_around(
    boxes: NDArray[np.float64], image_size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Choose the part (x1, y1, x2, y2) of an image of (width, height) that shows boxes (N, 4)."""
    low = boxes[:, :2].min(axis=0)
    high = boxes[:, 2:].max(axis=0)
    side = max(float((high - low).max()) * AROUND, LEAST)
    extent = np.minimum(side, image_size)
    start = np.clip((low + high - extent) / 2, 0, np.array(image_size) - extent)
    x1, y1 = np.rint(start).astype(int).tolist()
    x2, y2 = np.rint(start + extent).astype(int).tolist()
    return x1, y1, x2, y2
