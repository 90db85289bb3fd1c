"""Train a segmenter: the whole route from settings to scores, in the order of the data."""

from __future__ import annotations

import hashlib
from functools import partial

from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.engine.closing import closing_lines, picture_entries
from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.settings import require
from tasks.labels import LabelMap
from tasks.report.segmentation.build import report_segmentation
from tasks.scoring.semantic import format_table
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_splits
from tasks.segmentation.evaluate import make_evaluators
from tasks.vision.saved import network_metadata
from tasks.vision.semantic.objective import SegmentationObjective
from tasks.vision.settings import small_batch_warning


def run(config: SegmentationConfig, launch: Launch[SegmentationConfig]) -> dict[str, float]:
    """Train in a world that is there, and score; all that the run makes goes to run.output_dir."""
    launch.log.note("reading the lists of images and labels")
    train_set, val_set = launch.on_every_rank(
        read_splits, config.data, launch.world, command("check")
    )
    check_class_weights(config, train_set.label_map)
    batches = launch.on_every_rank(TrainBatches, train_set, config, launch.share)
    check_pooled_norm(config, batches.micro_batch)
    launch.note(describe_data(train_set, val_set))
    launch.note(small_batch_warning(config.model, batches.micro_batch))

    build = partial(make_segmenter, config.model, train_set.label_map)
    model = launch.build(build, config.model.weights, lambda model: model.trunk)
    scores = launch.fit(
        model,
        SegmentationObjective(model, config.loss, config.model.head.auxiliary),
        batches,
        make_evaluators({"val": val_set, "train": train_set}, config, launch),
        metadata={
            **network_metadata(model.backbone, train_set.label_map),
            "data": fingerprint(train_set),
        },
        name_image=lambda image: str(train_set.image_path(image - 1)),
    )
    if launch.world.is_main:
        launch.log.note("making the report")
        report = report_segmentation(launch.output_dir, report_command=command("report"))
        best = launch.best_checkpoint()
        entries = picture_entries(launch.output_dir, "Segmenter", best, val_set.image_root, report)
        launch.note(closing_lines(val_set.path, format_table(scores), entries))
    return scores


def check_class_weights(config: SegmentationConfig, label_map: LabelMap) -> None:
    """Raise UserError where there is not one weight for each class."""
    weights = config.loss.class_weights
    if weights is not None:
        rule = f"loss.class_weights must name {label_map.num_classes} weights, one for each class"
        require(len(weights) == label_map.num_classes, rule, weights)


def check_pooled_norm(config: SegmentationConfig, micro_batch: int) -> None:
    """Raise UserError where a batch norm would see a single value: DeepLab's, of the pooled map."""
    head = config.model.head
    pooled = head.kind in ("deeplabv3", "deeplabv3plus") and head.norm == "batch"
    rule = f"model.head.norm must be group, or sync on several GPUs, for {head.kind} with one image"
    require(not pooled or micro_batch > 1, f"{rule} a micro-batch", head.norm)


def describe_data(train_set: SemanticDataset, val_set: SemanticDataset) -> list[str]:
    """What was read, and what is odd about it."""
    lines = [
        f"{name} {split.path}: {len(split)} images, {split.label_map.num_classes} classes"
        for name, split in (("train", train_set), ("val", val_set))
    ]
    return lines + [f"warning: {text}" for text in (*train_set.warnings, *val_set.warnings)]


def fingerprint(dataset: SemanticDataset) -> dict[str, int | str]:
    """What tells one data set from another, so that a resume on other data is refused; paths do not
    count.
    """
    digest = hashlib.sha256(dataset.sizes.tobytes())
    for name in dataset.file_names:
        digest.update(str(name).encode())
    for name in dataset.label_map.names:
        digest.update(name.encode())
    return {"images": len(dataset), "sha256": digest.hexdigest()[:16]}
