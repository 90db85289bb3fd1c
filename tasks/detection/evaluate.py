"""COCO scores and validation losses of a detector.  B images, K detections an image, N detections
in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import DetectionBatch, ValBatches
from tasks.detection.data.read_splits import read_split
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.faster_rcnn import FasterRCNN, for_inference
from tasks.detection.ops.boxes import Detections, to_original
from tasks.detection.saved import read_detector
from tasks.engine.allocator import keep_freed_memory
from tasks.engine.distributed import World
from tasks.engine.precision import Precision
from tasks.report.build import try_report
from tasks.scoring.instances import (
    EvaluationReport,
    final_scores,
    score_boxes,
    scoring_facts,
    write_evaluation,
)
from tasks.scoring.results import DetectionResults, concatenate, write_results_json

LossSum = tuple[dict[str, float], int]  # losses summed over images, and how many images


def evaluate_detector(
    model: FasterRCNN,
    batches: Iterable[DetectionBatch],
    dataset: CocoDataset,
    world: World,
    precision: Precision,
    *,
    final: bool,
    output_dir: str | Path | None = None,
    objective: DetectionObjective | None = None,
    about: Mapping[str, object] | None = None,
) -> dict[str, float]:
    """COCO's scores as `box/…` over every rank's batches and, with an objective, the mean losses as
    `val/…`.

    Every rank gets them. `final` has pycocotools confirm the scores. `output_dir` receives
    detections.json, a COCO results file, and evaluation.json, which repeats `about`. The model is
    in evaluation mode meanwhile and then back in its own.
    """
    with evaluation_mode(model):
        results, losses = _run(model, batches, world, precision, objective)
    gathered = world.gather(
        (results, losses)
    )  # over gloo: scoring may outlast a GPU collective's time limit
    scores: dict[str, float] = {}
    if gathered is not None:
        found = concatenate([part for part, _ in gathered])
        scores = (final_scores if final else score_boxes)(dataset, found)
        scores |= _mean_losses([part for _, part in gathered])
        if output_dir is not None:
            facts = scoring_facts(dataset, found, final=final)
            _save(Path(output_dir), dataset, found, scores, {**(about or {}), **facts})
    return dict(world.broadcast(scores))


def evaluate_checkpoint(
    path: str | Path, overrides: Sequence[str] = (), output_dir: str | Path | None = None
) -> EvaluationReport | None:
    """Score a checkpoint or a run's best one on the validation split of its settings with
    `overrides`.

    An override of data.root replaces the checkpoint's data.val.* too, which would otherwise count
    more, and one of data.val.annotations its data.val.limit. Under torchrun the ranks share the
    images, and only rank 0 gets the report. detections.json and evaluation.json go to `output_dir`,
    or to `evaluation/` beside the checkpoint, so that those of the training itself stay as they
    are.
    """
    if any(override.startswith("data.root=") for override in overrides):
        overrides = [
            *(f"data.val.{name}=null" for name in ("images", "annotations", "limit")),
            *overrides,
        ]
    elif any(override.startswith("data.val.annotations=") for override in overrides):
        overrides = ["data.val.limit=null", *overrides]
    saved = read_detector(path, overrides)
    keep_freed_memory()
    world = World.create(saved.config.run.device)
    try:
        dataset = read_split(saved.config.data, "val", label_map=saved.label_map)
        model = saved.build(world.device)
        folder = saved.path.parent / "evaluation" if output_dir is None else Path(output_dir)
        precision = Precision.agreed(saved.config.run.precision, world)
        facts = {
            **saved.facts(),
            "annotations": str(dataset.path),
            "images": len(dataset),
            "device": str(world.device),
            "precision": precision.name,
            "exif": saved.config.data.exif,
        }
        scores = evaluate_detector(
            model,
            validation_batches(dataset, saved.config.data, world),
            dataset,
            world,
            precision,
            final=True,
            output_dir=folder,
            objective=DetectionObjective(model),
            about=facts,
        )
    finally:
        world.close()
    if not world.is_main:
        return None
    files = (folder / "evaluation.json", folder / "detections.json")
    page = try_report(folder, dataset, exif=saved.config.data.exif)
    return EvaluationReport(scores, facts, dataset.warnings, files, page)


def validation_batches(dataset: CocoDataset, config: DataConfig, world: World) -> ValBatches:
    """This rank's share of the data set; batches pay on a GPU only, so a CPU takes the images one
    by one.
    """
    on_gpu = world.device.type == "cuda"
    return ValBatches(
        dataset,
        config,
        batch_size=4 if on_gpu else 1,
        rank=world.rank,
        world_size=world.size,
        pin_memory=on_gpu,
    )


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is back in the mode it had.

    Not inference mode: what the model caches in it, such as anchors, could not take part in
    training later.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def to_results(detections: Detections, image_ids: Tensor) -> DetectionResults:
    """The valid ones of detections in original pixels (B, K), of the images (B,), on the host as
    packed arrays.
    """
    boxes, scores, labels, valid = (
        tensor.cpu().numpy()
        for tensor in (detections.boxes, detections.scores, detections.labels, detections.valid)
    )
    corners = boxes[valid].astype(np.float64)  # (N, 4)
    owners = np.broadcast_to(image_ids.cpu().numpy()[:, None], valid.shape)[valid]
    extents = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    return DetectionResults(
        owners.astype(np.int64), extents, scores[valid].astype(np.float64), labels[valid]
    )


def _save(
    folder: Path,
    dataset: CocoDataset,
    results: DetectionResults,
    scores: Mapping[str, float],
    about: Mapping[str, object],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_results_json(folder / "detections.json", dataset, results)
    write_evaluation(folder / "evaluation.json", scores, about)


def _run(
    model: FasterRCNN,
    batches: Iterable[DetectionBatch],
    world: World,
    precision: Precision,
    objective: DetectionObjective | None,
) -> tuple[DetectionResults, LossSum]:
    """This rank's detections and summed losses; the pyramid is computed once for both."""
    detector = for_inference(model, bf16=precision.name == "bf16")
    parts: list[DetectionResults] = []
    sums: dict[str, Tensor] = {}
    images = 0
    for cpu_batch in batches:
        batch = cpu_batch.to(world.device, non_blocking=True)
        with precision.autocast():
            levels = detector.levels(batch.images, batch.sizes)
            detections = detector.detect(batch.images, levels, batch.sizes)
            losses = {} if objective is None else objective.losses(batch, levels)
        parts.append(
            to_results(to_original(detections, batch.scales, batch.original_sizes), batch.image_ids)
        )
        sums = {
            name: sums.get(name, 0.0) + loss.double() * len(batch) for name, loss in losses.items()
        }
        images += len(batch)
    return concatenate(parts), ({name: float(value) for name, value in sums.items()}, images)


def _mean_losses(parts: Sequence[LossSum]) -> dict[str, float]:
    """Losses per image over all ranks, `val/<loss>`, and their sum `val/loss`; nothing where none
    were computed.
    """
    images = sum(count for _, count in parts)
    names = dict.fromkeys(name for sums, _ in parts for name in sums)
    means = {
        f"val/{name}": sum(sums.get(name, 0.0) for sums, _ in parts) / images for name in names
    }
    return means | {"val/loss": sum(means.values())} if means else {}
