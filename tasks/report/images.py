"""The best and the worst images of an evaluation, as small JPEGs inside the page."""

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset
from tasks.images import Exif, decode
from tasks.plots import LabelledBoxes, Pixels, draw_boxes
from tasks.report.page import paragraph
from tasks.scoring.results import DetectionResults

SHOWN = 6  # images of the best, and of the worst
SIDE = 360  # pixels of a thumbnail's longer side
BLANK = 238  # gray of an image that cannot be read


def extremes(images: Mapping[int, Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Ids of the worst images, those with most errors first among equal F1, and of the best, with
    most objects first.

    Images with neither objects nor detections are neither, and none is both.
    """
    counted = {image: one for image, one in images.items() if one["tp"] + one["fp"] + one["fn"]}
    flawed = [image for image, one in counted.items() if one["fp"] + one["fn"]]
    worst = sorted(
        flawed, key=lambda image: (_f1(counted[image]), -_errors(counted[image]), image)
    )[:SHOWN]
    rest = [image for image, one in counted.items() if one["tp"] and image not in worst]
    return (
        worst,
        sorted(rest, key=lambda image: (-_f1(counted[image]), -counted[image]["tp"], image))[
            :SHOWN
        ],
    )


def gallery(
    dataset: CocoDataset,
    used: DetectionResults,
    summaries: Mapping[int, Mapping[str, Any]],
    images: list[int],
    exif: Exif,
) -> str:
    """Figures of the images of these ids: ground truth beside `used` detections, drawn."""
    if not images:
        return paragraph("There is none.")
    figures = "".join(_figure(dataset, used, summaries[image], image, exif) for image in images)
    return f'<div class="pictures">{figures}</div>'


def _figure(
    dataset: CocoDataset,
    used: DetectionResults,
    summary: Mapping[str, Any],
    image_id: int,
    exif: Exif,
) -> str:
    place = image_id - 1
    pixels, problem = _read(dataset, place, exif)
    objects, found = dataset.objects(place), used.where(used.image_ids == image_id)
    truth = LabelledBoxes(
        to_corners(dataset.boxes[objects]), dataset.labels[objects], crowd=dataset.crowd[objects]
    )
    shown = LabelledBoxes(to_corners(found.boxes), found.labels, found.scores)
    name = escape(str(dataset.file_names[place]))
    pictures = "".join(
        f'<div><img src="{_thumbnail(pixels, boxes, dataset)}" alt="{heading} of'
        f' {name}"><span>{heading}</span></div>'
        for heading, boxes in (("ground truth", truth), ("predictions", shown))
    )
    counts = (
        f"{summary['tp']} right, {summary['fp']} wrong, {summary['fn']} missed · F1"
        f" {100 * summary['f1']:.0f}"
    )
    note = f"<br>{escape(problem)}" if problem else ""
    return (
        "<figure><div"
        f' class="pair">{pictures}</div><small>{name}<br>{counts}{note}</small></figure>'
    )


def _read(dataset: CocoDataset, place: int, exif: Exif) -> tuple[Pixels, str]:
    """The image's pixels, or a blank of its size and why."""
    try:
        return decode(dataset.image_path(place), exif), ""
    except UserError as error:
        height, width = dataset.sizes[place].tolist()
        scale = min(1, SIDE / max(height, width))
        blank = np.full(
            (max(1, round(height * scale)), max(1, round(width * scale)), 3), BLANK, np.uint8
        )
        missing = not dataset.image_path(place).is_file()
        return (
            blank,
            "the image file is missing" if missing else f"the image cannot be read: {error}",
        )


def _thumbnail(pixels: Pixels, boxes: LabelledBoxes, dataset: CocoDataset) -> str:
    """The image, SIDE long, with boxes drawn after resizing so that they stay sharp, as a
    data URL.
    """
    scale = SIDE / max(pixels.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    resized = np.asarray(
        Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.LANCZOS)
    )
    drawn = draw_boxes(resized, boxes.scaled(scale, scale), dataset.label_map, text_height=17)
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _f1(summary: Mapping[str, Any]) -> float:
    return float(summary["f1"])


def _errors(summary: Mapping[str, Any]) -> int:
    return int(summary["fp"] + summary["fn"])
