"""Score a run, a checkpoint, or anybody's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from resnet_backbones.classifier import Classifier
from resnet_backbones.errors import UserError
from resnet_backbones.weights.files import content_hash
from resnet_backbones.weights.sources import read_source
from tasks.classification.build import from_weights
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.decoded import decode_all
from tasks.classification.data.files import FileBatches, TrainReader
from tasks.classification.data.read_sets import hold_out, read_split
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.evaluate import ClassificationEvaluator, Member
from tasks.classification.network import describe_use, mean_colour
from tasks.classification.precise_norm import average_norms, has_batch_norms
from tasks.classification.results import report_run
from tasks.classification.saved import SavedClassifier
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.config import to_saved
from tasks.engine.distributed import World
from tasks.engine.evaluation import named_scores
from tasks.engine.loading import Share
from tasks.engine.saved import evaluation_folder
from tasks.engine.scoring import scoring_in
from tasks.labels import LabelMap
from tasks.outputs import Outputs, evaluation_outputs
from tasks.report.classification.evaluated import PREDICTIONS
from tasks.scoring.evaluation import ScoreSheet
from tasks.scoring.top_k import format_table
from tasks.vision.check_weights import weights_to_score

Build = Callable[[ClassImages, torch.device], Classifier]
"""Makes the classifier for data on a device."""


def evaluate_checkpoint(
    path: str | Path,
    overrides: Sequence[str] = (),
    output_dir: str | Path | None = None,
    *,
    force: bool = False,
) -> ScoreSheet | None:
    """Score a checkpoint or a run's best one on the validation images of its settings with
    `overrides`, or on those that it held out.

    An override of data.root or data.val means other images, so data.holdout and the checkpoint's
    other paths are ignored. Under torchrun the ranks share the images, and only rank 0 gets the
    report. predictions.csv and evaluation.json go to `output_dir`, or to `evaluation/` beside the
    checkpoint. UserError if one of them is a file of the user, unless `force`.
    """
    saved = SavedClassifier.read(path, _other_images(overrides))
    folder = saved.evaluation_folder(output_dir)
    config = saved.config
    outputs = evaluation_outputs(saved.path, overrides, force, [config.data.val])

    def build(images: ClassImages, device: torch.device) -> Classifier:
        return saved.build(device)

    images = scored_images(config, saved.label_map)
    return _evaluate(config, images, build, saved.describe(), folder, outputs)


def evaluate_settings(
    config: ClassificationConfig, output_dir: str | Path | None = None, *, force: bool = False
) -> ScoreSheet | None:
    """Score the weights that model.weights names on the validation images of the settings.

    Classes are matched by the names in the weights' passport, or by their order if it has none.
    data.holdout is ignored, as the weights' training images are unknown. Files go to `output_dir`,
    or to run.output_dir's evaluation/.
    """
    weights = weights_to_score(config.model.weights, config.run)
    folder = evaluation_folder(config.run.output_dir, output_dir)
    source = read_source(weights)
    names = () if source.passport is None else source.passport.label_map

    def build(images: ClassImages, device: torch.device) -> Classifier:
        loaded = replace(config.model, head="load")
        model, _ = from_weights(source, loaded, images.label_map)
        model.backbone.passport = describe_use(model.backbone.passport, config, images.label_map)
        return model.to(device).eval()

    images = read_split(config.data, "val")
    if set(names) >= set(images.label_map.names):
        images = images.relabelled(LabelMap(names, names))
    about = {
        "weights": weights,
        "weights_hash": content_hash(source.tensors),
        "settings": to_saved(config),
    }
    outputs = evaluation_outputs(weights, [], force, [config.data.val])
    return _evaluate(config, images, build, about, folder, outputs)


def _evaluate(
    config: ClassificationConfig,
    images: ClassImages,
    build: Build,
    about: Mapping[str, object],
    folder: Path,
    outputs: Outputs,
) -> ScoreSheet | None:
    with scoring_in(config.run, folder, about, outputs, PREDICTIONS) as scoring:
        world = scoring.world
        log = scoring.log
        model = build(images, world.device)
        others = tuple(_other_member(path, images, world) for path in config.test.ensemble)
        if config.test.precise_norm:
            _average_norms(model, config, images.label_map, world)
        unreadable = Unreadable(images, config.data.exif, config.data.unreadable, log.note)
        decoded = None
        if config.data.decoded:
            decoded = decode_all(images, config.data.exif, world.device, unreadable)
            images = decoded.images
        evaluator = ClassificationEvaluator(
            images=images,
            decoded=decoded,
            config=config,
            scoring=scoring,
            unreadable=unreadable,
            others=others,
        )
        found = evaluator.evaluate(model, scoring.about)
        if not world.is_main:
            return None
        log.note("making the report")
        page = report_run(folder, images)
    files = (folder / "evaluation.json", folder / PREDICTIONS)
    scores = named_scores(found, "val")
    table = format_table(found.scores)
    return ScoreSheet(scores, scoring.about, images.warnings, files, page, table)


def scored_images(config: ClassificationConfig, label_map: LabelMap) -> ClassImages:
    """Read the validation images, or those that training held out."""
    data = config.data
    if not data.holdout:
        return read_split(data, "val", label_map)
    train = read_split(data, "train", label_map)
    return hold_out(train, data.holdout, config.run.seed)[1]


def _other_images(overrides: Sequence[str]) -> list[str]:
    """Return the overrides, without the checkpoint's settings of images that they replace."""
    unread = ("data.train=null", "data.train_images=null")
    if any(text.startswith("data.root=") for text in overrides):
        return ["data.holdout=0", *unread, "data.val=null", *overrides]
    if any(text.startswith("data.val=") for text in overrides):
        return ["data.holdout=0", *overrides]
    return list(overrides)


def _other_member(path: str, images: ClassImages, world: World) -> Member:
    """Load a further classifier of an ensemble; UserError if it has other classes."""
    saved = SavedClassifier.read(path)
    if saved.label_map.names != images.label_map.names:
        rule = "test.ensemble needs classifiers of the same classes in the same order"
        raise UserError(f"{rule}, got {path}, which has others")
    return Member.of(saved.build(world.device))


def _average_norms(
    model: Classifier, config: ClassificationConfig, label_map: LabelMap, world: World
) -> None:
    """Average the statistics of batch norms again, the same on every rank."""
    if not has_batch_norms(model):
        rule = "test.precise_norm needs a network with batch norms"
        raise UserError(f"{rule}, got model.norm={config.model.norm}; set it to 0")
    train = read_split(config.data, "train", label_map)
    if config.data.holdout:
        train, _ = hold_out(train, config.data.holdout, config.run.seed)
    reader = TrainReader(train, config, mean_colour(model.backbone.passport))
    unreadable = Unreadable(train, config.data.exif, config.data.unreadable, lambda line: None)
    share = Share(seed=config.run.seed)
    batches = FileBatches(reader, share, unreadable).start(0)
    average_norms(Member.of(model), batches, config.test.precise_norm, world.device)
