"""Score a run, a checkpoint, or anybody's weights of a whole segmenter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from resnet_backbones.weights.files import content_hash
from resnet_backbones.weights.sources import read_source
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.engine.commands import command
from tasks.engine.config import to_saved
from tasks.engine.evaluation import named_scores
from tasks.engine.saved import evaluation_folder, saved_config
from tasks.engine.scoring import Scoring, scoring_in
from tasks.engine.start import Start
from tasks.labels import LabelMap
from tasks.outputs import evaluation_outputs
from tasks.report.segmentation.build import report_segmentation
from tasks.scoring.evaluation import ScoreSheet
from tasks.scoring.pixels_file import PIXELS
from tasks.scoring.semantic import format_table
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.read_splits import read_split
from tasks.segmentation.evaluate import SegmentationEvaluator
from tasks.segmentation.saved import TASK, SavedSegmenter
from tasks.vision.check_weights import weights_to_score
from tasks.vision.saved import read_metadata
from tasks.vision.semantic.segmenter import SegmentationNetwork
from tasks.vision.semantic.weights import named_classes, trained_segmenter
from tasks.vision.settings import whole_split
from tasks.vision.settings_semantic import SemanticModelConfig

Build = Callable[[LabelMap], tuple[SegmentationNetwork, str]]
"""Makes the network for classes, with a line about the loaded weights."""


def evaluate_checkpoint(
    path: str | Path,
    overrides: Sequence[str] = (),
    output_dir: str | Path | None = None,
    *,
    force: bool = False,
) -> ScoreSheet | None:
    """Score a checkpoint or a run's best one on the validation split of its settings with
    `overrides`.

    An override of data.root replaces the checkpoint's data.val.* too, which would otherwise take
    precedence. Under torchrun the ranks share the images, and only rank 0 gets the report.
    pixels.npz and evaluation.json go to `output_dir`, or to `evaluation/` beside the checkpoint, so
    that the training's own files stay as they are. UserError if one of them is a file of the user,
    unless `force`.
    """
    saved = SavedSegmenter.read(path, whole_split(overrides))
    config = saved.config
    folder = saved.evaluation_folder(output_dir)
    outputs = evaluation_outputs(saved.path, overrides, force, [])
    with scoring_in(config.run, folder, saved.describe(), outputs, PIXELS) as scoring:
        dataset = read_split(
            config.data, "val", label_map=saved.label_map, check_command=command("check")
        )
        return _score(saved.build(scoring.world.device), dataset, config, scoring)


def evaluate_settings(
    config: SegmentationConfig, output_dir: str | Path | None = None, *, force: bool = False
) -> ScoreSheet | None:
    """Score the whole network that model.weights names on the validation split of the settings.

    Classes are matched by name, or by their order if the weights name none. The auxiliary head is
    ignored, as it labels nothing. Files go to `output_dir`, or to run.output_dir's evaluation/.
    """
    weights = weights_to_score(config.model.weights, config.run)
    folder = evaluation_folder(config.run.output_dir, output_dir)
    head = replace(config.model.head, auxiliary=0.0)
    label_map, build, digest = _whole_network(replace(config.model, head=head), weights)
    about = {"weights": weights, "weights_hash": digest, "settings": to_saved(config)}
    outputs = evaluation_outputs(weights, [], force, [])
    with scoring_in(config.run, folder, about, outputs, PIXELS) as scoring:
        dataset = read_split(
            config.data, "val", label_map=label_map, check_command=command("check")
        )
        model, loaded = build(dataset.label_map)
        scoring.log.note(loaded)
        return _score(model.to(scoring.world.device).eval(), dataset, config, scoring)


def _whole_network(config: SemanticModelConfig, weights: str) -> tuple[LabelMap | None, Build, str]:
    """Return the classes that weights name (None if they name none), a builder of their network,
    and the hash of the weights.
    """
    start = Start.of(weights)
    if start.checkpoint is not None:
        saved_config(start.checkpoint, SegmentationConfig, TASK)  # refuses another task's
        label_map, _ = read_metadata(start.checkpoint)
        digest = start.checkpoint.digest("ema" if start.checkpoint.has_ema else "model")
        return label_map, partial(make_segmenter, config, start=start), digest
    source = read_source(weights)
    build = partial(trained_segmenter, config, source=source)
    return named_classes(source, weights), build, content_hash(source.tensors)


def _score(
    model: SegmentationNetwork,
    dataset: SemanticDataset,
    config: SegmentationConfig,
    scoring: Scoring,
) -> ScoreSheet | None:
    """Score a segmenter, and report; None on ranks other than the first. Collective."""
    found = SegmentationEvaluator(dataset, config, scoring).evaluate(model, scoring.about)
    folder = scoring.output_dir
    if folder is None or not scoring.world.is_main:
        return None
    scoring.log.note("making the report")
    page = report_segmentation(folder, report_command=command("report"))
    files = (folder / "evaluation.json", folder / PIXELS)
    table = format_table(found.scores)
    scores = named_scores(found, "val")
    return ScoreSheet(scores, scoring.about, dataset.warnings, files, page, table)
