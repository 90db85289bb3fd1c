"""The first training images with their labels, as the network gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.engine.samples import first_batches
from tasks.label_plots import draw_labels, resize_labels
from tasks.labels import IGNORED, LabelMap
from tasks.sample_sheet import TEXT, Sample, fitted, write_sheet
from tasks.segmentation.data.batches import TrainBatches
from tasks.vision.semantic.batch import SegmentationBatch


def draw_samples(
    batches: TrainBatches, dataset: SemanticDataset, count: int, picture: Path
) -> None:
    """Load the first `count` images of training, and write them with their labels."""
    samples: list[Sample] = []
    for batch in first_batches(batches.plan, batches.loader.load, batches.batch_size, count):
        names = [str(dataset.file_names[image - 1]) for image in batch.image_ids.tolist()]
        samples += [make_sample(batch, *named, dataset.label_map) for named in enumerate(names)]
    write_sheet(samples, picture)


def make_sample(batch: SegmentationBatch, row: int, name: str, label_map: LabelMap) -> Sample:
    """Take an image of a batch without its padding, with its labels; classes by falling area."""
    height, width = batch.sizes[row].tolist()
    shown = fitted(batch.images[row, :, :height, :width].permute(1, 2, 0).numpy())
    labels = batch.labels[row, :height, :width].numpy()
    resized = resize_labels(labels, (shown.shape[0], shown.shape[1]))
    counts = np.bincount(labels.ravel(), minlength=IGNORED)[:IGNORED]
    present = [label for label in np.argsort(-counts, kind="stable").tolist() if counts[label]]
    classes = ", ".join(label_map.names[label] for label in present)
    drawn = draw_labels(shown, resized, label_map, text_height=TEXT)
    return Sample(drawn, f"{name}, {width}x{height} pixels", classes or "ignored pixels only")
