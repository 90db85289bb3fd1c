"""Scores of bootstrap samples: those of a data set that repeats the images, and rare classes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.scoring.engines import SCORE_NAMES
from tasks.scoring.instance_samples import sample_scores
from tasks.scoring.instances import score_boxes
from tasks.scoring.resampling import draw_images, interval_of
from tasks.scoring.results import DetectionResults

CLASSES = 3


def write(path: Path, images: int, annotations: list[dict[str, Any]]) -> CocoDataset:
    for number, annotation in enumerate(annotations, start=1):
        width, height = annotation["bbox"][2:]
        annotation |= {"id": number, "area": width * height}
    sizes = {"height": 300, "width": 300}
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", **sizes} for i in range(1, images + 1)],
        "categories": [{"id": i, "name": f"c{i}"} for i in range(CLASSES)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(content))
    return read_coco(path)


def noisy(seed: int) -> tuple[list[dict[str, Any]], DetectionResults]:
    """Objects of all sizes in 12 images, some of them crowds, and detections of most of them."""
    random = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    for _ in range(100):
        corner = random.integers(0, 60, 2).tolist()
        size = random.integers(5, 150, 2).tolist()
        record = {
            "image_id": int(random.integers(1, 13)),
            "category_id": int(random.integers(0, CLASSES)),
            "bbox": [*corner, *size],
            "iscrowd": int(random.random() < 0.1),
        }
        annotations.append(record)
    boxes = np.array([record["bbox"] for record in annotations], np.float64)
    found = np.concatenate((boxes, boxes[:60]))
    found += random.normal(size=found.shape) * 4
    found[:, 2:] = np.maximum(found[:, 2:], 1)
    owners = np.array([record["image_id"] for record in annotations], np.int64)
    labels = np.array([record["category_id"] for record in annotations], np.int64)
    owners = np.concatenate((owners, owners[:60]))
    labels = np.concatenate((labels, labels[:60]))
    scores = random.permutation(len(found)) / len(found)  # without ties between images
    return annotations, DetectionResults(owners, found, scores, labels)


def repeated(
    annotations: list[dict[str, Any]], results: DetectionResults, counts: list[int]
) -> tuple[list[dict[str, Any]], DetectionResults]:
    """A data set that holds image i `counts[i]` times, each copy under an id of its own."""
    sources = np.repeat(np.arange(1, len(counts) + 1), counts)
    more: list[dict[str, Any]] = []
    rows: list[int] = []
    owners: list[int] = []
    for copy, source in enumerate(sources.tolist(), start=1):
        more += [{**one, "image_id": copy} for one in annotations if one["image_id"] == source]
        own = np.flatnonzero(results.image_ids == source).tolist()
        rows += own
        owners += [copy] * len(own)
    columns = (results.boxes[rows], results.scores[rows], results.labels[rows])
    return more, DetectionResults(np.array(owners, np.int64), *columns)


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_scores_what_a_data_set_with_its_images_scores(tmp_path: Path, seed: int) -> None:
    """Against hotcoco's own scores of images that are copied as often as they are drawn."""
    annotations, results = noisy(seed)
    dataset = write(tmp_path / "truth.json", 12, annotations)
    counts = np.random.default_rng(seed + 50).integers(0, 4, 12)
    draws = np.stack((np.ones(12, np.int64), counts)).astype(np.int16)
    sampled = sample_scores(dataset, results, draws)
    for row, times in enumerate((np.ones(12, np.int64), counts)):
        more, found = repeated(annotations, results, times.tolist())
        expected = score_boxes(write(tmp_path / "more.json", int(times.sum()), more), found)
        for name in SCORE_NAMES:
            value = sampled.overall[name][row]
            assert value == pytest.approx(expected[f"box/{name}"], abs=1e-9, nan_ok=True), name
        for label in range(CLASSES):
            value = sampled.classes[row, label]
            assert value == pytest.approx(expected[f"box/AP/c{label}"], abs=1e-9, nan_ok=True)


def rare(folder: Path, images: int) -> tuple[CocoDataset, DetectionResults]:
    """20 images with an object of class 0 each, and of class 1 in the first ones; all are found."""
    box = [10.0, 10.0, 50.0, 50.0]
    plain = {"bbox": box, "iscrowd": 0}
    annotations = [{**plain, "image_id": i, "category_id": 0} for i in range(1, 21)]
    annotations += [{**plain, "image_id": i, "category_id": 1} for i in range(1, images + 1)]
    dataset = write(folder / "truth.json", 20, annotations)
    owners = np.array([record["image_id"] for record in annotations], np.int64)
    labels = np.array([record["category_id"] for record in annotations], np.int64)
    count = len(annotations)
    return dataset, DetectionResults(owners, np.array([box] * count), np.ones(count), labels)


def test_a_perfect_rare_class_is_100_in_every_sample_that_holds_it(tmp_path: Path) -> None:
    """field_faults 22, first_hour 4: it read 0.0 to 100.0."""
    dataset, results = rare(tmp_path, 1)
    draws = draw_images(20)
    sampled = sample_scores(dataset, results, draws)
    assert interval_of(sampled.classes[:, 1]) == (1.0, 1.0)
    assert sampled.defined.tolist() == [500, int((draws[:, 0] > 0).sum()), 0]
    assert sampled.partial == 500 - sampled.defined[1]
    assert interval_of(sampled.overall["AP"]) == (1.0, 1.0)
    assert np.isnan(sampled.overall["APl"]).all(), "no object is large"


def test_all_against_none_of_three_images_is_a_difference_of_100(tmp_path: Path) -> None:
    """field_faults 22: a sample without the class counted as no difference."""
    dataset, results = rare(tmp_path, 3)
    draws = draw_images(20)
    without = sample_scores(dataset, results.where(results.labels == 0), draws)
    gained = sample_scores(dataset, results, draws).minus(without)
    assert interval_of(gained.classes[:, 1]) == (1.0, 1.0)
    assert interval_of(gained.classes[:, 0]) == (0.0, 0.0)
