"""Use a trained detector: images in, boxes in their own pixels out.

N detections of one image; boxes are (x1, y1, x2, y2) in pixels of the original image, whose pixels
are (H, W, 3) RGB.

    detector = load_detector("runs/shapes")
    found = detector("photo.jpg")  # or a PIL image, or a uint8 array; a list of them gives a list
    for box, score, name in zip(found.boxes, found.scores, found.names): ...
    found.above(0.5).save("found.jpg")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.boxes import to_corners
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.spread import spread_evenly
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import collate_images
from tasks.detection.model.detections import to_original
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.inference import for_inference
from tasks.detection.saved import SavedDetector
from tasks.engine.distributed import resolve_device
from tasks.engine.evaluation import evaluation_mode
from tasks.engine.precision import Precision, PrecisionName, check_precision
from tasks.images import Exif, Pixels
from tasks.labels import LabelMap
from tasks.plots import LabelledBoxes, PicturedImage, draw_boxes, predictions_grid
from tasks.scoring.judging import IOU, judge_image
from tasks.vision.prediction import ImagePredictor, ImageResult, runs_of_one_shape


@dataclass(frozen=True)
class ImageDetections(ImageResult):
    """N detections of one image, by falling score."""

    boxes: NDArray[np.float32]
    """(N, 4) in pixels of the original image, inside it."""
    scores: NDArray[np.float32]
    """(N,) in 0–1."""
    labels: NDArray[np.int64]
    """(N,) contiguous labels, places in `LabelMap.names`."""
    size: tuple[int, int]
    """Height and width of the image."""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def names(self) -> tuple[str, ...]:
        """N class names."""
        return tuple(self.label_map.names[label] for label in self.labels.tolist())

    def above(self, score: float) -> Self:
        """Keep those with at least this score."""
        keep = self.scores >= score
        return replace(
            self, boxes=self.boxes[keep], scores=self.scores[keep], labels=self.labels[keep]
        )

    def plot(self) -> Pixels:
        """Draw boxes, names and scores into the image: (H, W, 3) uint8, RGB."""
        return draw_boxes(self.pixels, self.to_plot(), self.label_map)

    def to_records(self, image_id: int | str) -> list[dict[str, Any]]:
        """Make the records of a COCO results file."""
        extents = np.concatenate((self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]), axis=1)
        rows = zip(self.labels.tolist(), extents.tolist(), self.scores.tolist(), strict=True)
        records: list[dict[str, Any]] = []
        for label, box, score in rows:
            category = self.label_map.category_ids[label]
            record = {"image_id": image_id, "category_id": category, "bbox": box, "score": score}
            records.append(record)
        return records

    def to_plot(self) -> LabelledBoxes:
        """Convert to the type that `tasks.plots` draws."""
        return LabelledBoxes(self.boxes, self.labels, self.scores)


@dataclass(frozen=True)
class Detector(ImagePredictor[ImageDetections]):
    """A detector with its pre- and postprocessing; call it on images."""

    model: FasterRCNN
    """Network from `for_inference`, to be run under `precision.autocast()`: in bf16 its weights are
    bf16."""
    label_map: LabelMap
    config: DataConfig
    """Decoding and resizing of images, as in the evaluation of training."""
    precision: Precision
    batch_size: int = 8
    """Most images in a batch; a batch has images of one size only."""

    @property
    def exif(self) -> Exif:
        """Whether EXIF rotation is applied, as in training."""
        return self.config.exif

    def stream(self, images: Iterable[Pixels]) -> Iterator[ImageDetections]:
        """Yield the detections of each decoded image, in order; neighbours of one size are run
        together. Each result keeps its pixels in memory.
        """
        for alike in runs_of_one_shape(images, self.batch_size):
            yield from self._detect(alike)

    def _detect(self, images: Sequence[Pixels]) -> Iterator[ImageDetections]:
        batch = collate_images(images, self.config).to(next(self.model.parameters()).device)
        with evaluation_mode(self.model), self.precision.autocast():
            found = self.model(batch.images, batch.sizes)
        found = to_original(found, batch.scales, batch.original_sizes)
        columns = (found.boxes, found.scores, found.labels, found.valid)
        for pixels, boxes, scores, labels, valid in zip(
            images, *(x.cpu().numpy() for x in columns), strict=True
        ):
            yield ImageDetections(
                boxes[valid],
                scores[valid],
                labels[valid],
                size=(pixels.shape[0], pixels.shape[1]),
                label_map=self.label_map,
                image=pixels,
                exif=self.config.exif,
            )


def load_detector(
    path: str | Path,
    device: str = "auto",
    precision: PrecisionName = "auto",
    *,
    score_threshold: float | None = None,
) -> Detector:
    """Load the detector of a checkpoint file or a run's folder (its best checkpoint), ready to be
    called.

    `device` is auto, cpu, cuda or cuda:N. `score_threshold` replaces the checkpoint's
    model.roi.score_threshold. UserError for a wrong argument or file.
    """
    check_precision(precision)
    overrides = []
    if score_threshold is not None:
        if not 0 <= score_threshold < 1:
            raise UserError(f"score_threshold must be in [0, 1), got {score_threshold}")
        overrides.append(f"model.roi.score_threshold={score_threshold}")
    place = resolve_device(device, 0, 1)
    saved = SavedDetector.read(path, overrides)
    resolved = Precision.resolve(precision, place)
    model = for_inference(saved.build(place), bf16=resolved.name == "bf16")
    return Detector(model, saved.label_map, saved.config.data, resolved)


def save_predictions_picture(
    detector: Detector,
    dataset: CocoDataset,
    path: str | Path,
    *,
    count: int = 12,
    score: float = 0.5,
) -> None:
    """Write ground truth beside predictions of at least `score` for `count` images spread over the
    data set.

    Images without objects are shown only if there are no others.
    """
    counts = np.diff(dataset.first)
    candidates = np.flatnonzero(counts) if counts.any() else np.arange(len(dataset))
    chosen = candidates[spread_evenly(len(candidates), count)].tolist()
    images = [detector.read(dataset.image_path(index)) for index in chosen]
    pictured = [
        _pictured(dataset, index, found, score)
        for index, found in zip(chosen, detector.stream(images), strict=True)
    ]
    note = f"score at least {score:g}, IoU at least {IOU:g}"
    predictions_grid(pictured, dataset.label_map, path, note=note)


def _pictured(
    dataset: CocoDataset, index: int, found: ImageDetections, score: float
) -> PicturedImage:
    """Make a picture's entry: an image with the outcomes of its objects and of detections above a
    score.
    """
    rows = dataset.objects(index)
    labels = dataset.labels[rows]
    crowd = dataset.crowd[rows]
    shown = found.above(score).to_plot()
    corners = shown.boxes.astype(np.float64)
    extents = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    of_objects, of_detections = judge_image(
        (dataset.boxes[rows], labels, crowd),
        (extents, shown.labels, np.asarray(shown.scores, np.float64)),
    )
    return PicturedImage(
        name=str(dataset.file_names[index]),
        pixels=found.pixels,
        truth=LabelledBoxes(
            to_corners(dataset.boxes[rows]), labels, crowd=crowd, outcomes=of_objects
        ),
        predictions=replace(shown, outcomes=of_detections),
        words=_none_above(score, found.scores),
    )


def _none_above(score: float, scores: NDArray[np.float32]) -> str:
    """Say that no score reaches `score`."""
    highest = f"; highest {scores.max():.2f}" if len(scores) else ""
    return f"no detection above {score:g}{highest}"
