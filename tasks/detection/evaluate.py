"""COCO scores and validation losses of a detector.  B images, K detections an image, N in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.detection.config import DataConfig, DetectionConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import ValBatches
from tasks.detection.data.read_splits import read_split
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.detections import Detections, to_original
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.inference import for_inference
from tasks.detection.predict import Detector, save_predictions_picture
from tasks.detection.saved import SavedDetector
from tasks.engine.commands import command
from tasks.engine.distributed import World
from tasks.engine.evaluation import (
    Evaluator,
    LossSums,
    SetScores,
    evaluation_mode,
    named_scores,
    run_batches,
    score_together,
)
from tasks.engine.launch import Launch
from tasks.engine.precision import Precision
from tasks.engine.scoring import Saving, Scoring, scoring_in
from tasks.outputs import evaluation_outputs
from tasks.report.instances.build import report_detections
from tasks.scoring.evaluation import ScoreSheet, write_evaluation
from tasks.scoring.instances import (
    crowded_note,
    final_scores,
    format_table,
    score_boxes,
    score_names,
    scoring_facts,
)
from tasks.scoring.results import DetectionResults, concatenate, write_results_json
from tasks.vision.settings import whole_split


@dataclass(frozen=True)
class DetectionEvaluator:
    """Scores a detector on one data set; an `engine.evaluation.Score`.

    The folder receives detections.json, a COCO results file, evaluation.json and predictions.png.
    """

    dataset: CocoDataset
    config: DataConfig
    scoring: Scoring

    def __call__(self, model: nn.Module, step: int, final: bool) -> SetScores:
        """Score a model; `final` has pycocotools confirm the scores that are kept. Collective."""
        assert isinstance(model, FasterRCNN)
        kept = self.scoring.output_dir is not None
        found = self.evaluate(model, {"step": step}, final=final and kept)
        self.scoring.draw("predictions.png", partial(self._draw, model))
        return found

    def evaluate(self, model: FasterRCNN, about: Mapping[str, object], *, final: bool) -> SetScores:
        """Score a model, and write the files without the picture. Collective."""
        scoring = self.scoring
        batches = ValBatches(self.dataset, self.config, scoring.share, scoring.batch_size)
        return evaluate_detector(
            model,
            scoring.track(batches, self.dataset.path, batches.images),
            self.dataset,
            scoring.world,
            scoring.precision,
            final=final,
            output_dir=scoring.output_dir,
            objective=DetectionObjective(model),
            limit=self.config.scored_detections,
            about={**about, "exif": self.config.exif, **scoring.about},
            saving=scoring.saving,
        )

    def _draw(self, model: FasterRCNN, picture: Path) -> None:
        precision = self.scoring.precision
        detector = Detector(model, self.dataset.label_map, self.config, precision)
        save_predictions_picture(detector, self.dataset, picture)


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
    limit: int = SCORED_DETECTIONS,
    saving: Saving = lambda table: nullcontext(),
) -> SetScores:
    """Compute COCO's scores as `box/…` over every rank's batches and, with an objective, the mean
    losses.

    Every rank gets them. `final` has pycocotools confirm the scores. `output_dir` receives
    detections.json, a COCO results file, and evaluation.json, which repeats `about`; they are
    written in the context `saving(table)`. The model is in evaluation mode meanwhile.
    """
    with evaluation_mode(model):
        results, losses = _run(model, batches, world, precision, objective)

    def score(parts: list[DetectionResults], means: dict[str, float]) -> SetScores:
        detections = concatenate(parts)
        compute = final_scores if final else score_boxes
        found = SetScores(compute(dataset, detections, limit=limit), means)
        if output_dir is not None:
            scored = scoring_facts(dataset, detections, final=final, limit=limit)
            facts = {"task": "detection", **(about or {}), **scored}
            with saving(format_table(found.scores, limit)):
                _save(Path(output_dir), dataset, detections, found, facts)
        return found

    return score_together(world, results, losses, score)


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
    precedence. One of data.val.annotations replaces its data.val.limit. Under torchrun the ranks
    share the images, and only rank 0 gets the report. detections.json and evaluation.json go to
    `output_dir`, or to `evaluation/` beside the checkpoint, so that the training's own files stay
    as they are. UserError if one of them is a file of the user, unless `force`.
    """
    saved = SavedDetector.read(path, whole_split(overrides))
    data = saved.config.data
    folder = saved.evaluation_folder(output_dir)
    outputs = evaluation_outputs(saved.path, overrides, force, [data.val.annotations])
    run = saved.config.run
    with scoring_in(run, folder, saved.describe(), outputs, "detections.json") as scoring:
        dataset = read_split(data, "val", label_map=saved.label_map, check_command=command("check"))
        evaluator = DetectionEvaluator(dataset, data, scoring)
        about = {**scoring.about, "exif": data.exif}
        found = evaluator.evaluate(saved.build(scoring.world.device), about, final=True)
        if not scoring.world.is_main:
            return None
        scoring.log.note("making the report")
        page = report_detections(folder, dataset, exif=data.exif, report_command=command("report"))
    files = (folder / "evaluation.json", folder / "detections.json")
    scores = named_scores(found, "val")
    limit = data.scored_detections
    notes = (*dataset.warnings, *crowded_note(dataset, limit))
    return ScoreSheet(scores, about, notes, files, page, format_table(scores, limit))


def make_evaluator(name: str, dataset: CocoDataset, launch: Launch[DetectionConfig]) -> Evaluator:
    """Make the evaluator of a training for a data set by name."""
    score = DetectionEvaluator(dataset, launch.config.data, Scoring.of(launch, name))
    return Evaluator(score_names(dataset.label_map), score)


def to_results(detections: Detections, image_ids: Tensor) -> DetectionResults:
    """Copy the valid detections (B, K), in original pixels, of the images (B,) to the host as
    packed arrays.
    """
    valid = detections.valid.cpu().numpy()
    corners = detections.boxes.cpu().numpy()[valid].astype(np.float64)  # (N, 4)
    owners = np.broadcast_to(image_ids.cpu().numpy()[:, None], valid.shape)[valid]
    extents = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    scores = detections.scores.cpu().numpy()[valid].astype(np.float64)
    labels = detections.labels.cpu().numpy()[valid]
    return DetectionResults(owners.astype(np.int64), extents, scores, labels)


def _save(
    folder: Path,
    dataset: CocoDataset,
    results: DetectionResults,
    found: SetScores,
    about: Mapping[str, object],
) -> None:
    write_results_json(folder / "detections.json", dataset, results)
    write_evaluation(folder / "evaluation.json", named_scores(found, "val"), about)


def _run(
    model: FasterRCNN,
    batches: Iterable[DetectionBatch],
    world: World,
    precision: Precision,
    objective: DetectionObjective | None,
) -> tuple[DetectionResults, LossSums]:
    """Compute this rank's detections and summed losses; the pyramid is computed once for both."""
    detector = for_inference(model, bf16=precision.name == "bf16")

    def compute(batch: DetectionBatch) -> tuple[DetectionResults, Mapping[str, Tensor]]:
        with precision.autocast():
            features = detector.features(batch.images, batch.sizes)
            padded_size = (batch.images.shape[2], batch.images.shape[3])
            detections = detector.detect(features, batch.sizes, padded_size)
            losses = {} if objective is None else objective.losses(batch, features)
        found = to_original(detections, batch.scales, batch.original_sizes)
        return to_results(found, batch.image_ids), losses

    results, losses = run_batches(batches, world, compute)
    return concatenate(results), losses
