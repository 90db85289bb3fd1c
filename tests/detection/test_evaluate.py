"""Evaluation of a detector: what reaches the scores, from every rank, and what is left as
it was.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from saved_detector import DATA, save_detector
from tiny_detector import tiny_batch, tiny_detector
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from tasks.cli.registry import TASKS
from tasks.cli.report import compare
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches, ValBatches
from tasks.detection.evaluate import (
    evaluate_checkpoint,
    evaluate_detector,
    to_results,
)
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.detections import Detections
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.ops.boxes import decode, encode
from tasks.detection.results import evaluate_results
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.distributed import World
from tasks.engine.evaluation import LossSums, evaluation_mode, named_scores
from tasks.engine.precision import Precision
from tasks.scoring.results import DetectionResults
from tasks.vision.settings import SplitConfig

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
FP32 = Precision("fp32", "cpu")
WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class Oracle(nn.Module):
    """Stands for a detector that finds exactly the objects of the batch, which go through offsets
    and back.
    """

    def __init__(self, batches: Iterable[DetectionBatch], flipped: bool = False) -> None:
        super().__init__()
        self.source, self.flipped = batches, flipped

    def batches(self) -> Iterator[DetectionBatch]:
        for batch in self.source:
            self.batch = batch
            yield batch

    def __deepcopy__(self, memo: dict[int, Any]) -> Oracle:
        return self  # what `for_inference` copies sees the same batches

    def features(self, images: Tensor, sizes: Tensor) -> dict[str, Tensor]:
        return {}

    def detect(
        self, features: dict[str, Tensor], sizes: Tensor, padded_size: tuple[int, int]
    ) -> Detections:
        batch = self.batch
        anchors = batch.boxes + torch.tensor([-3.0, -2, 5, 1])
        boxes = decode(encode(batch.boxes, anchors, WEIGHTS), anchors, WEIGHTS)
        if self.flipped:
            x1, y1, x2, y2 = boxes.unbind(-1)
            width = batch.sizes[:, 1:].float()
            boxes = torch.stack((width - x2, y1, width - x1, y2), dim=-1)
        valid = (batch.labels >= 0) & ~batch.crowd
        return Detections(boxes, torch.ones(batch.labels.shape), batch.labels, valid)


@dataclass
class RankZero:
    """Rank 0 of two, with what rank 1 sends; `sent` is what it gathered itself."""

    other: Any
    device: torch.device = CPU
    sent: Any = None

    def gather(self, value: Any) -> list[Any]:
        self.sent = value
        return [value, self.other]

    def broadcast(self, value: Any) -> Any:
        return value

    def sharing_errors(self) -> AbstractContextManager[None]:
        return nullcontext()


def evaluate(
    model: nn.Module, batches: Iterable[DetectionBatch], dataset: CocoDataset, **more: Any
) -> dict[str, float]:
    given = {"world": World.create("cpu"), "final": False} | more
    found = evaluate_detector(cast(FasterRCNN, model), batches, dataset, precision=FP32, **given)
    return named_scores(found, "val")


def odd_data(folder: Path) -> CocoDataset:
    """Text and sparse ids, a rotated JPEG, a crowd, an image without objects."""
    sizes = {"b": (60, 90), "a/1": (120, 70), "z": (50, 50)}
    (folder / "a").mkdir()
    for name, (height, width) in sizes.items():
        image, exif = Image.new("RGB", (width, height), "gray"), Image.Exif()
        if name == "b":
            image, exif[0x0112] = (
                image.transpose(Image.Transpose.ROTATE_90),
                6,
            )  # stored lying, shown upright
        image.save(folder / f"{name}.jpg", exif=exif)
    boxes = [
        ("b", 900, [10, 5, 30, 40], 0),
        ("b", 7, [0, 0, 90, 60], 0),
        ("a/1", 7, [33.5, 60.25, 20, 59.75], 0),
    ]
    boxes += [("a/1", 900, [0, 0, 70, 50], 1)]
    content = {
        "images": [
            {"id": name, "file_name": f"{name}.jpg", "height": height, "width": width}
            for name, (height, width) in sizes.items()
        ],
        "categories": [{"id": 900, "name": "bus"}, {"id": 7, "name": "car"}],
        "annotations": [
            {"id": 0, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}
            for image, category, box, crowd in boxes
        ],
    }
    (folder / "gt.json").write_text(json.dumps(content))
    return read_coco(folder / "gt.json")


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    return odd_data(tmp_path)


@pytest.mark.parametrize("flipped", [False, True])
def test_ground_truth_through_the_whole_route_scores_one(
    dataset: CocoDataset, tmp_path: Path, flipped: bool
) -> None:
    """Load, resize, flip, encode, decode, undo, write, read, score."""
    config = replace(DATA, batch_size=1, short_edge=(47,), flip=float(flipped), keep_empty=True)
    source: Iterable[DetectionBatch] = ValBatches(dataset, config, batch_size=2)
    if flipped:
        batches = TrainBatches(dataset, config)
        source = [batch for batch, _ in zip(batches.start(0), range(len(dataset)), strict=False)]
    oracle = Oracle(source, flipped)
    scores = evaluate(oracle, oracle.batches(), dataset, final=True, output_dir=tmp_path / "out")
    assert scores["box/AP"] == pytest.approx(1)
    written = evaluate_results(tmp_path / "out" / "detections.json", dataset.path).scores
    np.testing.assert_equal(written, {name: scores[name] for name in written})


def test_ground_truth_of_real_images_scores_one(coco200: Path) -> None:
    dataset = read_coco(coco200 / "annotations" / "instances_val.json", coco200 / "images" / "val")
    oracle = Oracle(
        ValBatches(dataset, DataConfig(short_edge=(120,), long_edge=200, workers=0), batch_size=4)
    )
    assert evaluate(oracle, oracle.batches(), dataset)["box/AP"] == pytest.approx(1)


def test_written_detections_have_the_files_ids(dataset: CocoDataset, tmp_path: Path) -> None:
    oracle = Oracle(ValBatches(dataset, DATA))
    evaluate(oracle, oracle.batches(), dataset, output_dir=tmp_path, about={"step": 3})
    written = json.loads((tmp_path / "detections.json").read_text())
    assert [(record["image_id"], record["category_id"]) for record in written] == [
        ("a/1", 7),
        ("b", 900),
        ("b", 7),
    ]
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    assert (evaluation["step"], evaluation["images"], evaluation["detections"]) == (3, 3, 3)
    assert evaluation["scores"]["box/APs"] is None  # the crowd and the others are larger


def test_every_ranks_detections_and_losses_count(dataset: CocoDataset) -> None:
    model = tiny_detector(classes=2)
    objective, batches = DetectionObjective(model), list(ValBatches(dataset, DATA))
    nothing = (DetectionResults.empty(), LossSums())
    rank_one = RankZero(nothing)
    evaluate(model, batches[1:], dataset, world=rank_one, objective=objective)
    scores = evaluate(
        model, batches[:1], dataset, world=RankZero(rank_one.sent), objective=objective
    )
    expected = evaluate(model, batches, dataset, objective=objective)
    assert scores == pytest.approx(expected, nan_ok=True)


def test_validation_losses_are_means_over_images(dataset: CocoDataset) -> None:
    class Objective:
        """A loss of 3 for a batch of two images, 9 for one of one."""

        def losses(self, batch: DetectionBatch, levels: list[Tensor]) -> dict[str, Tensor]:
            return {"rpn/box": torch.tensor(15.0 - 6 * len(batch)), "roi/box": torch.tensor(1.0)}

    batches = [tiny_batch([[], []]), tiny_batch([[]])]
    oracle = Oracle(batches)
    scores = evaluate(oracle, oracle.batches(), dataset, objective=Objective())
    losses = {name: value for name, value in scores.items() if name.startswith("val/")}
    assert losses == pytest.approx({"val/rpn/box": 5.0, "val/roi/box": 1.0, "val/loss": 6.0})


def test_modes_are_restored_and_gradients_are_off_meanwhile() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout())
    model[1].eval()
    with evaluation_mode(model):
        assert [model.training, model[0].training, torch.is_grad_enabled()] == [False, False, False]
    assert [model.training, model[0].training, model[1].training] == [True, True, False]
    assert torch.is_grad_enabled()


def test_valid_detections_become_width_and_height_of_their_image() -> None:
    boxes = torch.tensor([[[1.0, 2, 4, 8], [9, 9, 9, 9]], [[0, 0, 1, 1], [5, 5, 6, 7]]])
    detections = Detections(
        boxes,
        scores=torch.tensor([[0.5, 0.4], [0.3, 0.2]]),
        labels=torch.tensor([[3, -1], [-1, 4]]),
        valid=torch.tensor([[True, False], [False, True]]),
    )
    results = to_results(detections, torch.tensor([7, 9]))
    assert results.image_ids.tolist() == [7, 9]
    assert results.boxes.tolist() == [[1, 2, 3, 6], [5, 5, 1, 2]]
    assert results.labels.tolist() == [3, 4]
    assert results.scores.tolist() == [0.5, pytest.approx(0.2)]


def classes_of(folder: Path) -> Path:
    """The odd data with classes of the saved detector, under other ids than it was trained with."""
    dataset = odd_data(folder)
    content = json.loads(dataset.path.read_text())
    content["categories"] = [{"id": 900, "name": "thing"}, {"id": 7, "name": "cat"}]
    dataset.path.write_text(json.dumps(content))
    return dataset.path


def test_a_checkpoint_is_scored_on_data_it_was_not_trained_on(tmp_path: Path) -> None:
    annotations = classes_of(tmp_path)
    run = save_detector(tmp_path / "run").parent
    overrides = [
        f"data.val.images={tmp_path}",
        f"data.val.annotations={annotations}",
        "run.device=cpu",
    ]
    report = evaluate_checkpoint(run, overrides)
    assert report is not None
    assert math.isnan(report.scores["box/AP/dog"])  # a class of the detector that these data lack
    assert report.scores["val/loss"] > 0
    assert report.files == (run / "evaluation/evaluation.json", run / "evaluation/detections.json")
    again = evaluate_results(report.files[1], annotations, tmp_path / "again").scores
    assert {name: again[name] for name in ("box/AP", "box/AR100")} == {
        name: report.scores[name] for name in ("box/AP", "box/AR100")
    }


def test_an_evaluation_says_what_it_was_made_with_and_is_compared_by_it(tmp_path: Path) -> None:
    """field_faults 23: the override was nowhere in evaluation.json, the report or a comparison."""
    annotations = classes_of(tmp_path)
    run = save_detector(tmp_path / "run").parent
    overrides = [
        f"data.val.images={tmp_path}",
        f"data.val.annotations={annotations}",
        "run.device=cpu",
    ]
    changed = "model.roi.nms_threshold=0.3"
    evaluate_checkpoint(run, overrides, tmp_path / "a")
    evaluate_checkpoint(run, [*overrides, changed], tmp_path / "b")
    said = json.loads((tmp_path / "b" / "evaluation.json").read_text())
    assert changed in said["overrides"]
    assert said["settings"]["model"]["roi"]["nms_threshold"] == 0.3
    assert said["weights_hash"] == read_checkpoint(run).digest("model")
    assert said["precision"] in ("fp32", "bf16")
    page = (tmp_path / "b" / "report.html").read_text()
    assert "nms_threshold: 0.3" in page
    assert said["weights_hash"] in page
    comparison = compare(TASKS["detection"], tmp_path / "a", tmp_path / "b")
    assert comparison.settings == (("model.roi.nms_threshold", "0.5", "0.3"),)


def test_another_root_replaces_the_checkpoints_validation_paths(tmp_path: Path) -> None:
    run = save_detector(
        tmp_path, data=replace(DATA, val=SplitConfig(images="old", annotations="old.json"))
    ).parent
    with pytest.raises(
        UserError, match="no images and annotations for the val split, tried new/val2017"
    ):
        evaluate_checkpoint(run, ["data.root=new", "run.device=cpu"])


def test_the_tool_scores_a_checkpoint(tmp_path: Path) -> None:
    annotations = classes_of(tmp_path)
    checkpoint = save_detector(tmp_path / "run")
    command = [
        sys.executable,
        "tools/eval_det.py",
        str(checkpoint),
        f"data.val.images={tmp_path}",
        "--out",
    ]
    command += [
        str(tmp_path / "out"),
        f"data.val.annotations={annotations}",
        "model.roi.score_threshold=0.2",
    ]
    answer = subprocess.run([*command, "run.device=cpu"], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "no ground truth (n/a): dog" in answer.stdout
    written = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert all(record["score"] > 0.2 for record in written)
