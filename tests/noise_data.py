"""Data sets of noise images, written on the spot, for the tests of loading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as masks

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(
    folder: Path, sizes: list[tuple[int, int]], objects: list[list[dict[str, Any]]]
) -> CocoDataset:
    """Noise images of the sizes with the annotations, as a data set."""
    images, annotations = [], []
    for number, ((height, width), own) in enumerate(zip(sizes, objects, strict=True), start=10):
        name = f"{number}.png"
        Image.fromarray(picture(height, width, number)).save(folder / name)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations += [{"image_id": number, "category_id": 1, **record} for record in own]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return read_coco(folder / "instances.json")


def only_batch(dataset: CocoDataset, **changes: Any) -> DetectionBatch:
    """The first training batch of one image, without flips."""
    changes = {"batch_size": 1, "flip": 0.0, "workers": 0} | changes
    return next(TrainBatches(dataset, DataConfig(**changes)).start(0))


def odd_dataset(folder: Path) -> CocoDataset:
    """EXIF-rotated, gray and RGBA files; text and sparse ids; crowds; run lengths without boxes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(60, 40)).save(
        folder / "turned.jpg", exif=exif
    )  # shown 40 high, 60 wide
    Image.fromarray(picture(48, 64)[:, :, 0]).save(folder / "gray.png")
    Image.fromarray(np.dstack([picture(50, 50), picture(50, 50)[:, :, :1]])).save(
        folder / "alpha.png"
    )
    covered = np.zeros((48, 64), dtype=np.uint8, order="F")
    covered[10:30, 20:50] = 1
    mask = masks.encode(covered)
    sizes = {"turned.jpg": (40, 60), "gray.png": (48, 64), "alpha.png": (50, 50)}
    images = [
        {"id": f"id {name}", "file_name": name, "height": h, "width": w}
        for name, (h, w) in sizes.items()
    ]
    annotations: list[dict[str, Any]] = [
        {"id": 0, "image_id": "id turned.jpg", "category_id": 90, "bbox": [3.5, 4.25, 20, 30.5]},
        {"id": 0, "image_id": "id turned.jpg", "category_id": 7, "bbox": [30, 0, 30, 40]},
        {
            "image_id": "id gray.png",
            "category_id": 7,
            "segmentation": {"size": [48, 64], "counts": mask["counts"].decode()},
        },
        {"image_id": "id gray.png", "category_id": 7, "bbox": [0, 0, 64, 9], "iscrowd": 1},
        {"image_id": "id alpha.png", "category_id": 90, "segmentation": [[5, 5, 45, 5, 45, 41.5]]},
    ]
    categories = [{"id": 90, "name": "far"}, {"id": 7, "name": "near"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return read_coco(folder / "instances.json", check_sizes=True)
