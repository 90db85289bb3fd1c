"""Scores and validation losses of a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from tasks.datasets.semantic.dataset import SemanticDataset
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
from tasks.engine.loading import Share
from tasks.engine.log import RunLog
from tasks.engine.precision import Precision
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results
from tasks.scoring.semantic import score_names, scoring_facts, semantic_scores
from tasks.scoring.semantic_results import SemanticResults, SemanticTally, merge
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batches import scored_batches
from tasks.segmentation.predict import Segmenter, save_predictions_picture
from tasks.vision.semantic.batch import ScoredBatch
from tasks.vision.semantic.find_labels import find_labels
from tasks.vision.semantic.objective import SegmentationObjective
from tasks.vision.semantic.segmenter import SegmentationNetwork, for_inference


@dataclass(frozen=True)
class SegmentationEvaluator:
    """Scores a segmenter on one data set; an `engine.evaluation.Score`."""

    dataset: SemanticDataset
    config: SegmentationConfig
    world: World
    precision: Precision
    log: RunLog
    output_dir: Path | None = None
    """Receives pixels.npz, evaluation.json and predictions.png."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What evaluation.json says besides."""

    def __call__(self, model: nn.Module, step: int, final: bool) -> SetScores:
        """Score a model. Collective."""
        assert isinstance(model, SegmentationNetwork)
        found = self.evaluate(model, {"step": step})
        if self.world.is_main and self.output_dir is not None:
            picture = self.output_dir / "predictions.png"
            self.log.attempt(picture.name, lambda: self._draw(model, picture))
        return found

    def evaluate(self, model: SegmentationNetwork, about: Mapping[str, object]) -> SetScores:
        """Score a model, and write the files without the picture. Collective."""
        with evaluation_mode(model):
            results, losses = self._run(model)
        return score_together(self.world, results, losses, partial(self._finish, about))

    def _finish(
        self,
        about: Mapping[str, object],
        parts: Sequence[SemanticResults],
        means: Mapping[str, float],
    ) -> SetScores:
        """The scores of all ranks' results, which are written."""
        everything = merge(parts)
        scores = semantic_scores(everything.confusion, self.dataset.label_map)
        found = SetScores(scores, means)
        if self.output_dir is not None:
            self._save(everything, found, about)
        return found

    def _run(self, model: SegmentationNetwork) -> tuple[SemanticResults, LossSums]:
        """This rank's counts and summed losses."""
        batch_size = 4 if self.world.device.type == "cuda" else 1
        batches = scored_batches(self.dataset, self.config, Share.of(self.world), batch_size)
        network = for_inference(model, bf16=self.precision.name == "bf16")
        objective = SegmentationObjective(network, self.config.loss).to(self.world.device)
        tally = SemanticTally(self.dataset.label_map.num_classes)

        def compute(batch: ScoredBatch) -> tuple[None, Mapping[str, Tensor]]:
            originals = batch.originals
            with self.precision.autocast():
                found, logits = find_labels(network, batch.views, originals, self.config.test)
            truths = batch.truth.cpu().numpy()
            ids = batch.image_ids.tolist()
            for image, truth, (height, width), labels in zip(
                ids, truths, originals, found, strict=True
            ):
                tally.add(image, truth[:height, :width], labels)
            return None, {} if logits is None else objective.losses(batch, logits)

        ours = "" if self.world.size == 1 else f", the share of one of {self.world.size} ranks"
        stage = f"scoring {self.dataset.path}{ours}"
        _, losses = run_batches(self.log.track(batches, stage, batches.images), self.world, compute)
        return tally.results(), losses

    def _save(
        self, results: SemanticResults, found: SetScores, about: Mapping[str, object]
    ) -> None:
        assert self.output_dir is not None
        self.output_dir.mkdir(parents=True, exist_ok=True)
        names = self.dataset.file_names
        write_results(
            self.output_dir,
            results,
            self.dataset.label_map,
            lambda index: str(names[index]),
            self.dataset.warnings,
        )
        facts = {"task": "segmentation", **about, "exif": self.config.data.exif, **self.about}
        scored = scoring_facts(self.dataset, len(results))
        write_evaluation(
            self.output_dir / "evaluation.json", named_scores(found, "val"), {**facts, **scored}
        )

    def _draw(self, model: SegmentationNetwork, picture: Path) -> None:
        segmenter = Segmenter(model, self.dataset.label_map, self.config, self.precision)
        save_predictions_picture(segmenter, self.dataset, picture)


def make_evaluators(
    sets: Mapping[str, SemanticDataset],
    config: SegmentationConfig,
    launch: Launch[SegmentationConfig],
) -> dict[str, Evaluator]:
    """An evaluator of each data set; that of `val` leaves files in run.output_dir."""
    evaluators: dict[str, Evaluator] = {}
    for name, dataset in sets.items():
        score = SegmentationEvaluator(
            dataset,
            config,
            launch.world,
            launch.precision,
            launch.log,
            output_dir=launch.output_dir if name == "val" else None,
            about={"weights": "model" if config.optim.ema_decay is None else "ema"},
        )
        evaluators[name] = Evaluator(score_names(dataset.label_map), score)
    return evaluators
