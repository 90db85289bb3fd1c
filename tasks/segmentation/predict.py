"""Use a trained segmenter: images in, a class for each of their pixels out.

segmenter = load("runs/camvid")
found = segmenter("street.jpg")  # or a PIL image, or a uint8 array; a list of them gives a list
road = found.labels == found.label_map.names.index("road")
found.save("overlay.jpg"); found.save_labels("labels.png")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.datasets.coco.masks import compressed
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.datasets.spread import spread_evenly
from tasks.engine.distributed import resolve_device
from tasks.engine.evaluation import evaluation_mode
from tasks.engine.precision import Precision, PrecisionName, check_precision
from tasks.images import Exif, Labels, Pixels
from tasks.label_plots import draw_labels, labels_grid, save_index_png
from tasks.labels import LabelMap
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.saved import SavedSegmenter
from tasks.vision.padding import stack_images
from tasks.vision.planning import evaluation_padding, scaled_placement
from tasks.vision.prediction import ImagePredictor, ImageResult, runs_of_one_shape
from tasks.vision.semantic.find_labels import View, find_labels
from tasks.vision.semantic.segmenter import SegmentationNetwork, for_inference


@dataclass(frozen=True)
class ImageSegments(ImageResult):
    """The classes of an image's pixels."""

    labels: Labels
    """(H, W) uint8 contiguous labels, places in `LabelMap.names`."""

    @property
    def shares(self) -> dict[str, float]:
        """Return each present class's share of the image's pixels, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=self.label_map.num_classes)
        present = [label for label in np.argsort(-counts, kind="stable").tolist() if counts[label]]
        total = self.labels.size
        return {self.label_map.names[label]: int(counts[label]) / total for label in present}

    def plot(self) -> Pixels:
        """Draw the classes' colours over the image: (H, W, 3) uint8, RGB."""
        return draw_labels(self.pixels, self.labels, self.label_map)

    def save_labels(self, path: str | Path) -> None:
        """Write a PNG with the labels as values; its palette shows them in colours."""
        save_index_png(self.labels, self.label_map, path)

    def to_records(self, image_id: int | str) -> list[dict[str, Any]]:
        """Make the records of a COCO-Stuff results file, one for each class in the image."""
        records: list[dict[str, Any]] = []
        for label in np.unique(self.labels).tolist():
            category = self.label_map.category_ids[label]
            mask = compressed(self.labels == label)
            records.append({"image_id": image_id, "category_id": category, "segmentation": mask})
        return records


@dataclass(frozen=True)
class Segmenter(ImagePredictor[ImageSegments]):
    """A network with its pre- and postprocessing; call it on images."""

    model: SegmentationNetwork
    """Network from `for_inference`, to be run under `precision.autocast()`: in bf16 its weights are
    bf16."""
    label_map: LabelMap
    config: SegmentationConfig
    """Decoding and resizing of images, as in the evaluation of training, and `test`."""
    precision: Precision
    batch_size: int = 4
    """Most images in a batch; a batch has images of one size only."""

    @property
    def exif(self) -> Exif:
        """Whether EXIF rotation is applied, as in training."""
        return self.config.data.exif

    def stream(self, images: Iterable[Pixels]) -> Iterator[ImageSegments]:
        """Yield the labels of each decoded image, in order; neighbours of one size are run
        together. Each result keeps its pixels in memory.
        """
        for alike in runs_of_one_shape(images, self.batch_size):
            yield from self._segment(alike)

    def _segment(self, images: Sequence[Pixels]) -> Iterator[ImageSegments]:
        views = [self._view(images, scale) for scale in self.config.test.scales]
        originals = [(pixels.shape[0], pixels.shape[1]) for pixels in images]
        with evaluation_mode(self.model), self.precision.autocast():
            found, _ = find_labels(self.model, views, originals, self.config.test)
        for pixels, labels in zip(images, found, strict=True):
            yield ImageSegments(labels, label_map=self.label_map, image=pixels, exif=self.exif)

    def _view(self, images: Sequence[Pixels], scale: float) -> View:
        """Resize images of one size to a factor of the test size, on the network's device."""
        data = self.config.data
        placement = scaled_placement((images[0].shape[0], images[0].shape[1]), data, scale)
        placed = [placement.of_image(pixels, data.resize_filter) for pixels in images]
        stacked = stack_images(placed, evaluation_padding([placement.final_size], data))
        sizes: Tensor = torch.tensor([placement.final_size] * len(images))
        device = next(self.model.parameters()).device
        return stacked.to(device), sizes.to(device)


def load_segmenter(
    path: str | Path,
    device: str = "auto",
    precision: PrecisionName = "auto",
    *,
    overrides: Sequence[str] = (),
) -> Segmenter:
    """Load the segmenter of a checkpoint file or a run's folder (its best checkpoint), ready to be
    called.

    `device` is auto, cpu, cuda or cuda:N; `overrides` such as `test.window=1024` replace the
    checkpoint's settings. UserError for a wrong argument or file.
    """
    check_precision(precision)
    place = resolve_device(device, 0, 1)
    saved = SavedSegmenter.read(path, overrides)
    resolved = Precision.resolve(precision, place)
    model = for_inference(saved.build(place), bf16=resolved.name == "bf16")
    return Segmenter(model, saved.label_map, saved.config, resolved)


def save_predictions_picture(
    segmenter: Segmenter, dataset: SemanticDataset, path: str | Path, *, count: int = 8
) -> None:
    """Write ground truth, predictions and wrong pixels of `count` images of the data set."""
    chosen = spread_evenly(len(dataset), count)
    images = [segmenter.read(dataset.image_path(index)) for index in chosen]
    truths = [dataset.read_labels(index) for index in chosen]
    found = [segments.labels for segments in segmenter.stream(images)]
    names = [str(dataset.file_names[index]) for index in chosen]
    labels_grid(images, names, truths, found, dataset.label_map, path)
