"""Train a classifier: the whole route from settings to scores, in the order of the data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import nn

from resnet_backbones.classifier import Classifier
from tasks.classification.build import build_classifier
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.decoded import DecodedBatches, DecodedImages, decode_all
from tasks.classification.data.files import FileBatches, TrainReader
from tasks.classification.data.read_sets import Sets, read_sets
from tasks.classification.data.squares import TrainSquares
from tasks.classification.data.stream import StreamBatches
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.evaluate import make_evaluator
from tasks.classification.losses import ClassificationObjective
from tasks.classification.network import mean_colour
from tasks.classification.results import report_run
from tasks.classification.samples import samples_of
from tasks.classification.saved import write_weights
from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.fingerprint import fingerprint
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.engine.closing import Entry, closing_lines, samples_entry
from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.run_files import WEIGHTS
from tasks.engine.splits import describe_splits
from tasks.scoring.top_k import format_table
from tasks.vision.saved import network_metadata

Source = tuple[ClassImages, DecodedImages | None, Unreadable]
"""Images, their pixels if they are decoded, and the unreadable ones."""
DETECTORS_STRIDE = 32
"""Stride of the coarsest level in a detector's pyramid; networks for small images have less."""


def run(config: ClassificationConfig, launch: Launch[ClassificationConfig]) -> dict[str, float]:
    """Train in an existing world, and score; all files go to run.output_dir."""
    launch.log.note("reading the list of images")
    sets = launch.on_every_rank(read_sets, config.data, config.run.seed)
    launch.note(describe_data(sets))
    label_map = sets.train.label_map

    build = partial(build_classifier, config, label_map)
    model: Classifier = launch.build(build, config.model.weights, lambda model: [model.backbone])
    colour = mean_colour(model.backbone.passport)
    images, batches = make_batches(sets.train, config, launch, colour)
    scored = {"val": prepare(sets.val, config, launch)}
    if "train" in config.run.eval_sets and sets.train_scored is not None:
        scored["train"] = scored_training_images(sets, batches, config, launch)
    prints = (partial(fingerprint, images), partial(fingerprint, scored["val"][0]))
    scores = launch.fit(
        model,
        ClassificationObjective(model, config.loss, config.augment),
        batches,
        {name: make_evaluator(name, *source, launch) for name, source in scored.items()},
        metadata={
            **network_metadata(model.backbone, label_map),
            "data": launch.once(describe_splits, *prints),
        },
        name_image=lambda image: images.name(image - 1),
        on_best=partial(keep_weights, config),
        samples=samples_of(batches, model.backbone.passport),
    )
    if launch.world.is_main:
        launch.log.note("making the report")
        report = report_run(launch.output_dir, scored["val"][0])
        table = format_table(own_scores(scores))
        entries = closing_entries(launch, model, report)
        launch.note(closing_lines(sets.val.path, table, entries))
    return scores


def prepare(
    images: ClassImages, config: ClassificationConfig, launch: Launch[ClassificationConfig]
) -> Source:
    """Prepare a data set for reading: decoded if data.decoded is set, without unreadable images."""
    data = config.data
    unreadable = Unreadable(images, data.exif, data.unreadable, launch.log.note)
    if not data.decoded:
        return images, None, unreadable
    launch.log.note(f"decoding {len(images)} images of {images.path}")
    device = launch.world.device
    decoded = launch.on_every_rank(decode_all, images, data.exif, device, unreadable)
    return decoded.images, decoded, unreadable


def make_batches(
    images: ClassImages | RemoteShards,
    config: ClassificationConfig,
    launch: Launch[ClassificationConfig],
    colour: tuple[int, int, int],
) -> tuple[ClassImages | RemoteShards, DecodedBatches | FileBatches | StreamBatches]:
    """Return the readable training images, and their batches; borders and areas that an operation
    uncovers have the mean colour.
    """
    share = launch.share
    squares = TrainSquares(config, colour)
    if not config.data.decoded:
        launch.on_every_rank(lambda: squares.operations)  # a user's file may make it fail
    if isinstance(images, RemoteShards):
        unreadable = Unreadable(images, config.data.exif, config.data.unreadable, launch.log.note)
        stream = launch.on_every_rank(
            StreamBatches.of, images, squares, share, unreadable, launch.positions
        )
        return images, stream
    images, decoded, unreadable = prepare(images, config, launch)
    if decoded is not None:
        return images, launch.on_every_rank(DecodedBatches.of, decoded, config, share, colour)
    return images, FileBatches(TrainReader(images, config, colour), share, unreadable)


def scored_training_images(
    sets: Sets,
    batches: DecodedBatches | FileBatches | StreamBatches,
    config: ClassificationConfig,
    launch: Launch[ClassificationConfig],
) -> Source:
    """Return the training images to score; if these are all of them, reuse the decoded ones."""
    images = sets.train_scored
    assert images is not None
    if not isinstance(batches, DecodedBatches) or images is not sets.train:
        return prepare(images, config, launch)
    decoded = batches.decoded
    data = config.data
    unreadable = Unreadable(decoded.images, data.exif, data.unreadable, launch.log.note)
    return decoded.images, decoded, unreadable


def keep_weights(config: ClassificationConfig, model: nn.Module) -> None:
    """Write the best weights so far, for use elsewhere."""
    assert isinstance(model, Classifier)
    recipe = f"classification, {config.model.backbone}, {config.schedule.name} schedule"
    write_weights(model, recipe, Path(config.run.output_dir) / WEIGHTS)


def describe_data(sets: Sets) -> list[str]:
    """Describe the data sets, with their notes."""
    lines = []
    for name, images in (("train", sets.train), ("val", sets.val)):
        classes = images.label_map.num_classes
        lines.append(f"{name} {images.path}: {len(images)} images, {classes} classes")
        lines += [f"warning: {text}" for text in images.warnings]
    return lines


def closing_entries(
    launch: Launch[ClassificationConfig], model: Classifier, report: str
) -> list[Entry]:
    """Write the run's files, and what to try next."""
    folder = launch.output_dir
    weights = folder / WEIGHTS
    use = ""
    if model.backbone.levels[-1].stride >= DETECTORS_STRIDE:
        given = (f"model.backbone={launch.config.model.backbone}", f"model.weights={weights}")
        start = command("train", "faster_rcnn_r18_custom", *given, task="det")
        use = f"for a detector: {start}"
    return [
        ("Report", report, ""),
        ("Curves", folder / "curves.png", ""),
        *samples_entry(folder),
        ("Classifier", launch.best_checkpoint(), ""),
        ("Weights", weights, use),
        ("Try next", command("predict", folder, "IMAGES", "--out", folder / "found"), ""),
    ]


def own_scores(scores: dict[str, float]) -> dict[str, float]:
    """Return the scores of the validation images by their own names, without losses."""
    own: dict[str, float] = {}
    for name, value in scores.items():
        if name.startswith("val/") and name not in ("val/loss", "val/class"):
            own[name.removeprefix("val/")] = value
    return own
