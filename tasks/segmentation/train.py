"""Train a segmenter: the whole route from settings to scores, in the order of the data."""

from __future__ import annotations

from functools import partial

from tasks.datasets.semantic.dataset import fingerprint
from tasks.engine.closing import tell_of_pictures
from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.splits import describe_both, describe_splits, read_both
from tasks.report.segmentation.build import report_segmentation
from tasks.scoring.semantic import format_table
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.segmentation.evaluate import make_evaluator
from tasks.segmentation.samples import draw_samples
from tasks.vision.saved import network_metadata
from tasks.vision.semantic.objective import SegmentationObjective
from tasks.vision.settings import small_batch_warning


def run(config: SegmentationConfig, launch: Launch[SegmentationConfig]) -> dict[str, float]:
    """Train in an existing world, and score; all files go to run.output_dir."""
    launch.log.note("reading the lists of images and labels")
    train_set, val_set = read_both(launch, partial(read_split, config.data))
    config.loss.check_classes(train_set.label_map.num_classes)
    batches = launch.on_every_rank(TrainBatches, train_set, config, launch.share)
    config.model.head.check_micro_batch(batches.micro_batch)
    launch.note(describe_both(train_set, val_set))
    launch.note(small_batch_warning(config.model, batches.micro_batch))

    build = partial(make_segmenter, config.model, train_set.label_map)
    model = launch.build(build, config.model.weights, lambda model: model.trunk)
    prints = (partial(fingerprint, train_set), partial(fingerprint, val_set))
    data = launch.once(describe_splits, *prints, config.data.val.limit)
    sets = {"val": val_set, "train": train_set}
    scores = launch.fit(
        model,
        SegmentationObjective(model, config.loss, config.model.head.auxiliary),
        batches,
        {name: make_evaluator(name, dataset, launch) for name, dataset in sets.items()},
        metadata=network_metadata(model.backbone, train_set.label_map) | {"data": data},
        name_image=lambda image: str(train_set.image_path(image - 1)),
        samples=partial(draw_samples, batches, train_set),
    )
    report = partial(report_segmentation, report_command=command("report"))
    tell_of_pictures(launch, "Segmenter", val_set, report, format_table(scores))
    return scores
