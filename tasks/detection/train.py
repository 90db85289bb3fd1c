"""Train Faster R-CNN: the whole route from settings to scores, in the order of the data."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.config import DetectionConfig
from tasks.detection.data.batches import TrainBatches
from tasks.detection.data.read_splits import read_split
from tasks.detection.evaluate import evaluate_detector, validation_batches
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.faster_rcnn import FasterRCNN, Kernels, build_faster_rcnn, compile_trunk
from tasks.detection.model.load_pretrained import transfer
from tasks.detection.predict import Detector, save_predictions_picture
from tasks.detection.saved import detector_metadata, read_metadata
from tasks.engine.allocator import keep_freed_memory
from tasks.engine.checkpoint import Checkpoints, is_checkpoint, read_checkpoint
from tasks.engine.checkpoint_files import BEST, LAST
from tasks.engine.config import to_dict
from tasks.engine.distributed import World
from tasks.engine.fit import FitConfig, fit
from tasks.engine.log import RunLog
from tasks.engine.precision import Precision
from tasks.engine.randomness import prepare_torch
from tasks.engine.run_folder import check_output_dir, prepare_output_dir, write_text
from tasks.engine.settings import RunConfig
from tasks.labels import LabelMap
from tasks.report.build import try_report
from tasks.scoring.instances import format_table


def train(config: DetectionConfig) -> dict[str, float]:
    """Train as one process, or as one of torchrun's; the scores of the last evaluation."""
    keep_freed_memory()
    world = World.create(config.run.device)
    try:
        return run(config, world)
    finally:
        world.close()


def run(config: DetectionConfig, world: World) -> dict[str, float]:
    """Train in a world that is there, and score; everything the run makes goes to
    run.output_dir.
    """
    check_cuda_graphs(config, world)
    prepare_torch(config.run.seed, config.run.deterministic)
    output_dir = check_output_dir(config.run, world, config)
    precision = choose_precision(config.run, output_dir, world)
    with world.sharing_errors():
        train_set, val_set = read_splits(config, world)
        batches = TrainBatches(
            train_set,
            config.data,
            rank=world.rank,
            world_size=world.size,
            accumulate=config.optim.accumulate,
            seed=config.run.seed,
            pin_memory=world.device.type == "cuda",
        )
    model, report = build_detector(config, train_set.label_map, output_dir, world)
    prepare_output_dir(config.run, world, config)
    metadata = detector_metadata(model, to_dict(config), train_set.label_map)
    metadata |= {"data": fingerprint(train_set), "precision": precision.name}
    with RunLog(output_dir, world, config.schedule.steps) as log:
        for line in (*describe_data(config, train_set, val_set, batches), report):
            log.note(line)
        if world.is_main:
            write_text(
                output_dir / "label_map.json",
                json.dumps(train_set.label_map.to_json(), indent=1) + "\n",
            )
        scores = fit(
            model,
            DetectionObjective(model),
            batches,
            FitConfig(
                optim=config.optim,
                schedule=config.schedule,
                run=config.run,
                batch_size=config.data.batch_size,
            ),
            Checkpoints(output_dir, metadata),
            log,
            world,
            precision,
            evaluate=make_evaluation(config, val_set, world, precision, output_dir),
            name_image=lambda image: str(train_set.image_path(image - 1)),
        )
        if world.is_main:
            report_line = try_report(output_dir, val_set, exif=config.data.exif)
            for line in closing_lines(config, scores, output_dir, val_set, report_line):
                log.note(line)
    return scores


def check_cuda_graphs(config: DetectionConfig, world: World) -> None:
    """UserError where run.cuda_graphs is asked for and cannot be had."""
    if not config.run.cuda_graphs:
        return
    if world.device.type != "cuda":
        raise UserError(f"run.cuda_graphs=true takes a GPU, got {world.device}; leave it out")
    if config.optim.accumulate > 1:  # gradients of one micro-batch would be overwritten by the next
        rule = "run.cuda_graphs=true takes optim.accumulate=1"
        raise UserError(f"{rule}, got {config.optim.accumulate}; leave one of them out")


def choose_precision(config: RunConfig, output_dir: Path, world: World) -> Precision:
    """The arithmetic of a run; one that is resumed keeps what `auto` was, for a timing may come out
    differently.
    """
    name = config.precision
    if name == "auto" and (output_dir / LAST).exists():
        name = read_checkpoint(output_dir / LAST).metadata.get("precision", name)
    return Precision.agreed(name, world)


def read_splits(config: DetectionConfig, world: World) -> tuple[CocoDataset, CocoDataset]:
    """Training and validation split, the latter with the former's labels; one rank a machine checks
    the files.
    """
    check = world.local_rank == 0
    train_set = read_split(config.data, "train", check_sizes=check)
    return train_set, read_split(
        config.data, "val", label_map=train_set.label_map, check_sizes=check
    )


def build_detector(
    config: DetectionConfig, label_map: LabelMap, output_dir: Path, world: World
) -> tuple[FasterRCNN, str]:
    """The detector on its device, and a report of what was loaded.

    A run that is resumed loads nothing here: `fit` restores its checkpoint. `model.weights` may be
    a detector's. Rank 0 goes first, so that a download happens once.
    """
    build = partial(_build, config, label_map, output_dir, Kernels.of(world.device, config.model))
    with world.sharing_errors():
        built = build() if world.is_main else None
    with world.sharing_errors():
        model, report = built or build()
    model.to(world.device)
    if config.run.compile:
        compile_trunk(model, graphs=config.run.cuda_graphs)
    return model, report


def _build(
    config: DetectionConfig, label_map: LabelMap, output_dir: Path, kernels: Kernels
) -> tuple[FasterRCNN, str]:
    classes, weights = label_map.num_classes, config.model.weights
    if (output_dir / LAST).exists():
        _, _, passport = read_metadata(read_checkpoint(output_dir / LAST), output_dir / LAST)
        return (
            build_faster_rcnn(config.model, classes, kernels, passport=passport),
            f"weights: {output_dir / LAST}",
        )
    if weights is not None and is_checkpoint(weights):
        source = read_checkpoint(weights)
        _, old_label_map, passport = read_metadata(source, Path(weights))
        model = build_faster_rcnn(config.model, classes, kernels, passport=passport)
        return model, str(transfer(model, source.weights(), old_label_map, label_map))
    model = build_faster_rcnn(config.model, classes, kernels)
    return model, str(
        model.backbone.report or "weights: none, training starts from scratch (model.weights=null)"
    )


def make_evaluation(
    config: DetectionConfig,
    dataset: CocoDataset,
    world: World,
    precision: Precision,
    output_dir: Path,
) -> Callable[[nn.Module, int], dict[str, float]]:
    """What `fit` calls to score a model: COCO's numbers and validation losses, detections.json and
    predictions.png.
    """
    batches = validation_batches(dataset, config.data, world)

    def evaluate(model: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(model, FasterRCNN)
        scores = evaluate_detector(
            model,
            batches,
            dataset,
            world,
            precision,
            final=step == config.schedule.steps,
            output_dir=output_dir,
            objective=DetectionObjective(model),
            about={
                "step": step,
                "exif": config.data.exif,
                "weights": "model" if config.optim.ema_decay is None else "ema",
            },
        )
        if world.is_main:
            detector = Detector(model, dataset.label_map, config.data, precision)
            save_predictions_picture(detector, dataset, output_dir / "predictions.png")
        return scores

    return evaluate


def describe_data(
    config: DetectionConfig, train_set: CocoDataset, val_set: CocoDataset, batches: TrainBatches
) -> list[str]:
    """What was read, what is odd about it, and how long training is in epochs."""
    lines = [
        f"{name} {split.path}: {len(split)} images, {len(split.labels)} objects,"
        f" {split.label_map.num_classes} classes"
        for name, split in (("train", train_set), ("val", val_set))
    ]
    notes = (
        *train_set.warnings,
        *val_set.warnings,
        *batches.warnings,
        *small_batch_warnings(config, batches),
    )
    lines += [f"warning: {text}" for text in notes]
    epochs = config.schedule.steps / batches.epoch_length
    return [
        *lines,
        f"{config.schedule.steps} steps are {epochs:.3g} epochs of {batches.epoch_length} steps",
    ]


def small_batch_warnings(config: DetectionConfig, batches: TrainBatches) -> tuple[str, ...]:
    """What to know of batch norm that learns its statistics from few images (Wu and He 2018, fig.
    1).
    """
    learns = config.model.norm == "batch" or (
        config.model.norm == "auto" and config.model.weights is None
    )
    if not learns or batches.micro_batch >= 8:
        return ()
    seen = (
        f"batch norm sees {batches.micro_batch} images at a time, and fewer than 8 make poor"
        " statistics"
    )
    return (f"{seen}; model.norm=group does not depend on it, nor does frozen with model.weights",)


def closing_lines(
    config: DetectionConfig,
    scores: dict[str, float],
    output_dir: Path,
    val_set: CocoDataset,
    report: str,
) -> list[str]:
    """The table of scores, where the pictures are, and what to try next."""
    best = output_dir / (
        BEST if (output_dir / BEST).exists() else LAST
    )  # none is best where every score is nan
    return [
        "",
        f"Scores on {val_set.path} after {config.schedule.steps} steps, x 100:",
        format_table(scores),
        "",
        f"Report       {report}",
        f"Pictures     {output_dir / 'predictions.png'}  ground truth beside predictions",
        f"             {output_dir / 'curves.png'}  losses and scores",
        f"Detector     {best}",
        (
            f"Try next     {python()} tools/predict.py {output_dir} {val_set.image_root} --out"
            f" {output_dir / 'found'}"
        ),
    ]


def python() -> str:
    """This Python as one types it: from the working folder where it lies below, such as
    .venv/bin/python.
    """
    program = Path(sys.executable)
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


def fingerprint(dataset: CocoDataset) -> dict[str, int | str]:
    """What tells one data set from another, so that a resume on other data is refused; paths do not
    count.
    """
    digest = hashlib.sha256()
    for array in (dataset.sizes, dataset.first, dataset.boxes, dataset.labels, dataset.crowd):
        digest.update(array.tobytes())
    return {
        "images": len(dataset),
        "objects": len(dataset.labels),
        "sha256": digest.hexdigest()[:16],
    }
