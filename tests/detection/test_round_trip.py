"""Ground truth sent the whole way that predictions take comes back as perfect detections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from noise_data import odd_dataset

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import TrainBatches
from tasks.detection.evaluate import to_results
from tasks.detection.model.detections import Detections, to_original
from tasks.detection.ops.boxes import decode, encode
from tasks.scoring.instances import final_scores
from tasks.scoring.results import (
    DetectionResults,
    concatenate,
    read_results_json,
    write_results_json,
)

OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
CONFIG = DataConfig(
    batch_size=4, short_edge=(37, 64, 91), long_edge=130, color_jitter=0.5, workers=0
)


def unflip(boxes: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack((widths - x2, y1, widths - x1, y2), dim=-1)


def round_trip(dataset: CocoDataset, config: DataConfig) -> DetectionResults:
    """Load, augment, resize, flip, encode against shifted anchors, decode, and go back to the
    original pixels.
    """
    batches = TrainBatches(dataset, config)
    stream = batches.start(0)
    parts, seen = [], set()
    for step in range(batches.epoch_length):
        batch, plan = next(stream), batches.plan(step)
        anchors = batch.boxes * 1.1 + torch.tensor([-3.0, -2.0, 4.0, 1.0])
        boxes = decode(encode(batch.boxes, anchors, OFFSET_WEIGHTS), anchors, OFFSET_WEIGHTS)
        flipped = torch.tensor([image.placement.flip for image in plan.images])
        boxes = torch.where(flipped[:, None, None], unflip(boxes, batch.sizes[:, 1:]), boxes)
        first_time = torch.tensor(
            [index not in seen and not seen.add(index) for index in batch.image_ids.tolist()]
        )
        valid = (batch.labels >= 0) & ~batch.crowd & first_time[:, None]
        found = Detections(boxes, torch.rand(valid.shape), batch.labels, valid)
        parts.append(
            to_results(to_original(found, batch.scales, batch.original_sizes), batch.image_ids)
        )
    return concatenate(parts)


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_odd_files_score_one(tmp_path: Path, flip: float) -> None:
    """EXIF rotation, gray and RGBA files, text and sparse ids, crowds, run lengths without
    boxes.
    """
    dataset = odd_dataset(tmp_path)
    write_results_json(
        tmp_path / "detections.json", dataset, round_trip(dataset, replace(CONFIG, flip=flip))
    )
    scores = final_scores(dataset, read_results_json(tmp_path / "detections.json", dataset))
    assert scores["box/AP"] == pytest.approx(1.0, abs=1e-12)
    assert all(
        scores[f"box/AP/{name}"] == pytest.approx(1.0, abs=1e-12)
        for name in dataset.label_map.names
    )


def test_coco_scores_one(coco200: Path, tmp_path: Path) -> None:
    """Sparse ids and crowds of real annotations; images without objects apart, which training
    leaves out.
    """
    dataset = read_coco(coco200 / "annotations/instances_val.json", coco200 / "images/val")
    config = replace(CONFIG, batch_size=10, short_edge=(240, 300), long_edge=500, color_jitter=0.0)
    write_results_json(tmp_path / "detections.json", dataset, round_trip(dataset, config))
    scores = final_scores(dataset, read_results_json(tmp_path / "detections.json", dataset))
    assert scores["box/AP"] == pytest.approx(1.0, abs=1e-12)
    assert scores["box/APs"] == pytest.approx(1.0, abs=1e-12)
