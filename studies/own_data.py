#!/usr/bin/env python3
"""Train torchvision's Faster R-CNN on the data of one of our runs for a given time, and score it
the same way.

studies/own_data.py runs/bccd --cpu-minutes 50 --out runs/bccd_torchvision
tools/compare.py runs/bccd_torchvision runs/bccd

The peer is `FasterRCNN` of torchvision with a ResNet-FPN from scratch and its defaults, but for the
anchors' sizes. It gets the run's own batches (resize, flip, colour), optimiser, warm-up, clipping,
moving average and precision; its cosine falls over the time instead of the steps. The time is that
of the process on all cores, so that 50 minutes are 25 minutes of two cores, and other processes of
the machine cost none. The last step's average is scored, in fp32. B images.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

# benchmarks/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from benchmarks.detectors import float_images
from studies.common import run_study, study_parser
from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.config import DetectionConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches, ValBatches
from tasks.detection.data.read_splits import read_split
from tasks.detection.evaluate import to_results
from tasks.detection.model.detections import Detections, to_original
from tasks.engine.allocator import keep_freed_memory
from tasks.engine.config import load_config
from tasks.engine.distributed import World
from tasks.engine.loading import Share
from tasks.engine.optim import Ema, build_optimizer, peak_lr
from tasks.engine.precision import Precision
from tasks.engine.randomness import prepare_torch
from tasks.engine.step import set_lr
from tasks.report.instances.build import report_detections
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.instances import final_scores, format_table, scoring_facts
from tasks.scoring.results import DetectionResults, concatenate, write_results_json

NARROWEST = 4.0
"""Pixels of a side: torchvision takes logarithms of sides, and those of its bf16 boxes are 0 where
they round so."""


def main() -> None:
    """Train, score, and write what `tools/compare.py` and `tools/report.py` read."""
    parser = study_parser(__doc__)
    parser.add_argument(
        "run", type=Path, help="folder of a run of tools/train_det.py on ResNet-FPN from scratch"
    )
    parser.add_argument(
        "--cpu-minutes", type=float, default=50, help="processor time of training (default: 50)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    config = load_config(DetectionConfig, str(given.run / "config.yaml"), [])
    world = World.create("cpu")
    keep_freed_memory()
    prepare_torch(config.run.seed, config.run.deterministic)
    precision = Precision.resolve(config.run.precision, world.device)
    train_set = read_split(config.data, "train")
    model = build_peer(config, train_set.label_map.num_classes)
    scored, steps = train(
        model, TrainBatches(train_set, config.data), config, precision, 60 * given.cpu_minutes
    )
    about = {
        "peer": "torchvision",
        "steps": steps,
        "cpu_minutes": given.cpu_minutes,
        "precision": precision.name,
    }
    score(
        scored,
        read_split(config.data, "val", label_map=train_set.label_map),
        config,
        world,
        given.out,
        about,
    )


def build_peer(config: DetectionConfig, classes: int) -> FasterRCNN:
    """torchvision's detector on images that are resized already; the background is its class 0.

    `_skip_resize` holds in training only, so that it is given the size of the validation images
    too.
    """
    backbone = resnet_fpn_backbone(
        backbone_name=config.model.backbone,
        weights=None,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=5,
    )
    anchors = config.model.anchors
    generator = AnchorGenerator(
        tuple((size,) for size in anchors.sizes), (anchors.ratios,) * len(anchors.sizes)
    )
    edges = {"min_size": config.data.test_short_edge, "max_size": config.data.long_edge}
    model = FasterRCNN(
        backbone, classes + 1, rpn_anchor_generator=generator, _skip_resize=True, **edges
    )
    return model.to(memory_format=torch.channels_last)


def train(
    model: FasterRCNN,
    batches: TrainBatches,
    config: DetectionConfig,
    precision: Precision,
    seconds: float,
) -> tuple[nn.Module, int]:
    """The averaged detector after so many seconds of processor time, and the number of its
    steps.
    """
    optim = config.optim
    optimizer = build_optimizer(model, optim)
    ema = None if optim.ema_decay is None else Ema(model, optim.ema_decay)
    peak = peak_lr(optim, config.data.batch_size)
    skipped = 0
    started = time.process_time()
    for step, batch in enumerate(batches.start(0)):
        spent = time.process_time() - started
        if spent >= seconds:
            break
        warm_up = min(1.0, (step + 1) / max(1, config.schedule.warmup_steps))
        set_lr(optimizer, peak * warm_up * 0.5 * (1 + math.cos(math.pi * spent / seconds)))
        loss = _losses(model.train(), batch, precision)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(model.parameters(), optim.clip_norm or math.inf)
        if not norm.isfinite():  # ours leaves such an update out too
            skipped += 1
            continue
        optimizer.step()
        if ema is not None:
            ema.update(model, step)
        if step % 20 == 0:
            told = (
                f"loss {loss.item():.3f}  {spent / 60:.1f} of {seconds / 60:g} minutes  {skipped}"
                " updates left out"
            )
            print(f"step {step}  {told}", flush=True)
    return (model if ema is None else ema.model), step


def _losses(model: FasterRCNN, batch: DetectionBatch, precision: Precision) -> Tensor:
    """Sum of the four losses of a batch, without objects that are narrower than a step of bf16."""
    present = (batch.labels >= 0) & ((batch.boxes[..., 2:] - batch.boxes[..., :2]) > NARROWEST).all(
        dim=-1
    )
    targets = [
        {"boxes": boxes[own], "labels": labels[own] + 1}
        for boxes, labels, own in zip(batch.boxes, batch.labels, present, strict=True)
    ]
    with precision.autocast():
        losses = model(float_images(batch), targets)
    return torch.stack([loss.float() for loss in losses.values()]).sum()


def score(
    model: nn.Module,
    dataset: CocoDataset,
    config: DetectionConfig,
    world: World,
    folder: Path,
    about: dict[str, object],
) -> None:
    """COCO's numbers of the validation split, printed and written with detections and report."""
    parts: list[DetectionResults] = []
    model.eval()
    for batch in ValBatches(dataset, config.data, Share.of(world)):
        with torch.no_grad():
            found = _stack(model(float_images(batch)))
        parts.append(
            to_results(to_original(found, batch.scales, batch.original_sizes), batch.image_ids)
        )
    results = concatenate(parts)
    scores = final_scores(dataset, results)
    folder.mkdir(parents=True, exist_ok=True)
    write_results_json(folder / "detections.json", dataset, results)
    write_evaluation(
        folder / "evaluation.json", scores, {**about, **scoring_facts(dataset, results, final=True)}
    )
    (folder / "label_map.json").write_text(
        json.dumps(dataset.label_map.to_json()) + "\n", encoding="utf-8"
    )
    print(format_table(scores))
    print(json.dumps(about))
    print(report_detections(folder, dataset, exif=config.data.exif))


def _stack(found: list[dict[str, Tensor]]) -> Detections:
    """One image's detections as a batch."""
    (one,) = found
    boxes, scores, labels = (one[name][None] for name in ("boxes", "scores", "labels"))
    return Detections(boxes, scores, labels - 1, torch.ones_like(labels, dtype=torch.bool))


if __name__ == "__main__":
    run_study(main)
