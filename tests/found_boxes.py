"""Data sets and detections that are made up, for reports."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.scoring.results import DetectionResults


def detections(dataset: CocoDataset, seed: int = 0, noise: float = 0.05) -> DetectionResults:
    """Most objects displaced, some with a wrong class, and inventions of low score."""
    random = np.random.default_rng(seed)
    rows = np.flatnonzero(random.random(len(dataset.boxes)) < 0.8)
    boxes = dataset.boxes[rows] + noise * random.normal(size=(len(rows), 4)) * np.tile(
        dataset.boxes[rows, 2:], 2
    )
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
    wrong = random.random(len(rows)) < 0.1
    labels = np.where(
        wrong, random.integers(0, dataset.label_map.num_classes, len(rows)), dataset.labels[rows]
    )
    owners = np.repeat(dataset.image_ids, np.diff(dataset.first))[rows]
    invented = DetectionResults(
        random.choice(dataset.image_ids, 20),
        random.uniform(5, 40, (20, 4)),
        random.uniform(0, 0.4, 20),
        random.integers(0, dataset.label_map.num_classes, 20),
    )
    return DetectionResults(
        np.concatenate((owners, invented.image_ids)),
        np.concatenate((boxes, invented.boxes)),
        np.concatenate((random.uniform(0.3, 1, len(rows)), invented.scores)),
        np.concatenate((labels, invented.labels)),
    )


def one_class(folder: Path, classes: int, objects: int) -> CocoDataset:
    """Two images that do not exist, the first with `objects` objects of class 1."""
    content: dict[str, Any] = {
        "images": [{"id": i, "file_name": f"<{i}>.jpg", "height": 60, "width": 80} for i in (1, 2)],
        "categories": [{"id": i, "name": f"<b>{i}</b>"} for i in range(1, classes + 1)],
        "annotations": [
            {
                "id": i,
                "image_id": 1,
                "category_id": 1,
                "bbox": [10 * i, 5, 9, 9],
                "area": 81,
                "iscrowd": 0,
            }
            for i in range(1, objects + 1)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(content))
    return read_coco(folder / "truth.json")
