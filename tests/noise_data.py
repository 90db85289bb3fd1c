"""Data sets of noise images, written on the spot, for the tests of loading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.coco import CocoDataset, read_coco
from tasks.detection.config import DataConfig
from tasks.detection.data import DetectionBatch, TrainBatches


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(folder: Path, sizes: list[tuple[int, int]], objects: list[list[dict[str, Any]]]) -> CocoDataset:
    """Noise images of the sizes with the annotations, as a data set."""
    images, annotations = [], []
    for number, ((height, width), own) in enumerate(zip(sizes, objects, strict=True), start=10):
        name = f"{number}.png"
        Image.fromarray(picture(height, width, number)).save(folder / name)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations += [{"image_id": number, "category_id": 1, **record} for record in own]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "instances.json").write_text(json.dumps(content))
    return read_coco(folder / "instances.json")


def only_batch(dataset: CocoDataset, **changes: Any) -> DetectionBatch:
    """The first training batch of one image, without flips."""
    changes = {"batch_size": 1, "flip": 0.0, "workers": 0} | changes
    return next(TrainBatches(dataset, DataConfig(**changes)).start(0))
