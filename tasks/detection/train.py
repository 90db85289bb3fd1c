"""Train Faster R-CNN: the whole route from settings to scores, in the order of the data."""

from __future__ import annotations

from functools import partial

from tasks.datasets.coco.dataset import CocoDataset, fingerprint
from tasks.detection.build import build_detector
from tasks.detection.config import DetectionConfig
from tasks.detection.data.batches import TrainBatches
from tasks.detection.data.read_splits import read_split
from tasks.detection.evaluate import make_evaluator
from tasks.detection.losses import DetectionObjective
from tasks.detection.samples import draw_samples
from tasks.engine.closing import tell_of_pictures
from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.splits import describe_both, describe_splits, read_both
from tasks.report.instances.build import report_detections
from tasks.scoring.instances import crowded_note, format_table
from tasks.vision.saved import network_metadata
from tasks.vision.settings import small_batch_warning


def run(config: DetectionConfig, launch: Launch[DetectionConfig]) -> dict[str, float]:
    """Train in an existing world, and score; all files go to run.output_dir."""
    launch.log.note("reading the annotations")
    train_set, val_set = read_both(launch, partial(read_split, config.data))
    batches = launch.on_every_rank(TrainBatches, train_set, config.data, launch.share)
    launch.note(describe_data(config, train_set, val_set, batches))

    build = partial(build_detector, config.model, train_set.label_map)
    model = launch.build(build, config.model.weights, lambda model: model.trunk)
    of_training = partial(fingerprint, train_set, with_masks=config.data.copy_paste > 0)
    of_val = partial(fingerprint, val_set)
    data = launch.once(describe_splits, of_training, of_val, config.data.val.limit)
    sets = {"val": val_set, "train": train_set}
    scores = launch.fit(
        model,
        DetectionObjective(model),
        batches,
        {name: make_evaluator(name, dataset, launch) for name, dataset in sets.items()},
        metadata=network_metadata(model.backbone, train_set.label_map) | {"data": data},
        name_image=lambda image: str(train_set.image_path(image - 1)),
        samples=partial(draw_samples, batches, train_set),
    )
    report = partial(
        report_detections, dataset=val_set, exif=config.data.exif, report_command=command("report")
    )
    limit = config.data.scored_detections
    notes = [f"note: {note}" for note in crowded_note(val_set, limit)]
    table = "\n".join([format_table(scores, limit), *notes])
    tell_of_pictures(launch, "Detector", val_set, report, table)
    return scores


def describe_data(
    config: DetectionConfig, train_set: CocoDataset, val_set: CocoDataset, batches: TrainBatches
) -> list[str]:
    """Describe the data sets, with their notes."""
    lines = describe_both(train_set, val_set)
    lines += [f"warning: {text}" for text in batches.warnings]
    return lines + small_batch_warning(config.model, batches.micro_batch)
