"""The first training images with their boxes, as the network gets them."""

from __future__ import annotations

from pathlib import Path

from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches
from tasks.engine.samples import first_batches
from tasks.labels import LabelMap
from tasks.plots import LabelledBoxes, draw_boxes
from tasks.sample_sheet import TEXT, Sample, fitted, write_sheet


def draw_samples(batches: TrainBatches, dataset: CocoDataset, count: int, picture: Path) -> None:
    """Load the first `count` images of training, and write them with their boxes."""
    samples: list[Sample] = []
    for batch in first_batches(batches.plan, batches.loader.load, batches.batch_size, count):
        for row, image in enumerate(batch.image_ids.tolist()):
            name = str(dataset.file_names[image - 1])
            samples.append(make_sample(batch, row, name, dataset.label_map))
    write_sheet(samples, picture)


def make_sample(batch: DetectionBatch, row: int, name: str, label_map: LabelMap) -> Sample:
    """Take an image of a batch without its padding, with its boxes."""
    height, width = batch.sizes[row].tolist()
    pixels = batch.images[row, :, :height, :width].permute(1, 2, 0).numpy()
    shown = fitted(pixels)
    there = batch.labels[row] >= 0
    boxes = LabelledBoxes(
        boxes=batch.boxes[row, there].double().numpy(),
        labels=batch.labels[row, there].numpy(),
        crowd=batch.crowd[row, there].numpy(),
    )
    scaled = boxes.scaled(shown.shape[1] / width, shown.shape[0] / height)
    drawn = draw_boxes(shown, scaled, label_map, text_height=TEXT)
    count = int(there.sum())
    return Sample(
        drawn, name, f"{count} object{'' if count == 1 else 's'}, {width}x{height} pixels"
    )
