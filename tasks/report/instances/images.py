"""The best and the worst images of an evaluation, as small JPEGs inside the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset
from tasks.images import Exif, Pixels
from tasks.plots import LabelledBoxes, draw_boxes
from tasks.report.images import SIDE, pair_figure, read_or_blank, thumbnail
from tasks.report.page import paragraph
from tasks.scoring.results import DetectionResults

SHOWN = 6  # images of the best, and of the worst
Summary = Mapping[str, Any]  # an image's `tp`, `fp`, `fn` and `f1`


def extremes(images: Mapping[int, Summary]) -> tuple[list[int], list[int]]:
    """Rank images by F1 and return the ids of the worst and of the best.

    Among equal F1, the worst are those with most errors, the best those with most objects. Images
    with neither objects nor detections are neither, and none is both.
    """
    counted: dict[int, Summary] = {}
    for image, summary in images.items():
        if summary["tp"] + summary["fp"] + summary["fn"]:
            counted[image] = summary

    def badness(image: int) -> tuple[float, int, int]:
        return float(counted[image]["f1"]), -_errors(counted[image]), image

    def goodness(image: int) -> tuple[float, int, int]:
        return -float(counted[image]["f1"]), -int(counted[image]["tp"]), image

    flawed = [image for image, summary in counted.items() if _errors(summary)]
    worst = sorted(flawed, key=badness)[:SHOWN]
    rest = [image for image in counted if counted[image]["tp"] and image not in worst]
    return worst, sorted(rest, key=goodness)[:SHOWN]


def gallery(
    dataset: CocoDataset,
    used: DetectionResults,
    summaries: Mapping[int, Summary],
    images: Sequence[int],
    exif: Exif,
) -> str:
    """Show the images of these ids: ground truth beside `used` detections, drawn."""
    if not images:
        return paragraph("There is none.")
    figures = [_figure(dataset, used, summaries[image], image, exif) for image in images]
    return f'<div class="pictures">{"".join(figures)}</div>'


def _figure(
    dataset: CocoDataset, used: DetectionResults, summary: Summary, image_id: int, exif: Exif
) -> str:
    """An image twice, with its name and counts below."""
    index = image_id - 1
    height, width = dataset.sizes[index].tolist()
    pixels, problem = read_or_blank(dataset.image_path(index), exif, (height, width))
    rows = dataset.objects(index)
    truth = LabelledBoxes(
        to_corners(dataset.boxes[rows]), dataset.labels[rows], crowd=dataset.crowd[rows]
    )
    detections = used.where(used.image_ids == image_id)
    predicted = LabelledBoxes(to_corners(detections.boxes), detections.labels, detections.scores)
    pictures = [
        ("ground truth", _drawn(pixels, truth, dataset)),
        ("predictions", _drawn(pixels, predicted, dataset)),
    ]
    counts = (
        f"{summary['tp']} right, {summary['fp']} wrong, {summary['fn']} missed · F1"
        f" {100 * summary['f1']:.0f}"
    )
    return pair_figure(str(dataset.file_names[index]), pictures, [counts], problem)


def _drawn(pixels: Pixels, boxes: LabelledBoxes, dataset: CocoDataset) -> Pixels:
    """The image, SIDE long; boxes are drawn after resizing, so stay sharp."""
    scale = SIDE / max(pixels.shape[:2])
    boxes = boxes.scaled(scale, scale)
    return draw_boxes(thumbnail(pixels), boxes, dataset.label_map, text_height=17)


def _errors(summary: Summary) -> int:
    return int(summary["fp"] + summary["fn"])
