"""Scores and validation losses of a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from tasks.datasets.semantic.dataset import SemanticDataset
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
from tasks.engine.scoring import Scoring
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results
from tasks.scoring.semantic import format_table, score_names, scoring_facts, semantic_scores
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
    """Scores a segmenter on one data set; an `engine.evaluation.Score`.

    The folder receives pixels.npz, evaluation.json and predictions.png.
    """

    dataset: SemanticDataset
    config: SegmentationConfig
    scoring: Scoring

    def __call__(self, model: nn.Module, step: int, final: bool) -> SetScores:
        """Score a model. Collective."""
        assert isinstance(model, SegmentationNetwork)
        found = self.evaluate(model, {"step": step})
        self.scoring.draw("predictions.png", partial(self._draw, model))
        return found

    def evaluate(self, model: SegmentationNetwork, about: Mapping[str, object]) -> SetScores:
        """Score a model, and write the files without the picture. Collective."""
        with evaluation_mode(model):
            results, losses = self._run(model)
        return score_together(self.scoring.world, results, losses, partial(self._finish, about))

    def _finish(
        self,
        about: Mapping[str, object],
        parts: Sequence[SemanticResults],
        means: Mapping[str, float],
    ) -> SetScores:
        """Compute the scores of all ranks' results, and write them."""
        everything = merge(parts)
        scores = semantic_scores(everything.confusion, self.dataset.label_map)
        found = SetScores(scores, means)
        if self.scoring.output_dir is not None:
            with self.scoring.saving(format_table(scores)):
                self._save(self.scoring.output_dir, everything, found, about)
        return found

    def _run(self, model: SegmentationNetwork) -> tuple[SemanticResults, LossSums]:
        """Compute this rank's counts and summed losses."""
        scoring = self.scoring
        batches = scored_batches(self.dataset, self.config, scoring.share, scoring.batch_size)
        network = for_inference(model, bf16=scoring.precision.name == "bf16")
        objective = SegmentationObjective(network, self.config.loss).to(scoring.world.device)
        tally = SemanticTally(self.dataset.label_map.num_classes)

        def compute(batch: ScoredBatch) -> tuple[None, Mapping[str, Tensor]]:
            originals = batch.originals
            with scoring.precision.autocast():
                found, logits = find_labels(network, batch.views, originals, self.config.test)
            truths = batch.truth.cpu().numpy()
            ids = batch.image_ids.tolist()
            for image, truth, (height, width), labels in zip(
                ids, truths, originals, found, strict=True
            ):
                tally.add(image, truth[:height, :width], labels)
            return None, {} if logits is None else objective.losses(batch, logits)

        tracked = scoring.track(batches, self.dataset.path, batches.images)
        _, losses = run_batches(tracked, scoring.world, compute)
        return tally.results(), losses

    def _save(
        self,
        folder: Path,
        results: SemanticResults,
        found: SetScores,
        about: Mapping[str, object],
    ) -> None:
        dataset = self.dataset
        names = dataset.file_names
        write_results(
            folder, results, dataset.label_map, lambda index: str(names[index]), dataset.warnings
        )
        said = {**about, "exif": self.config.data.exif, **self.scoring.about}
        facts = {"task": "segmentation", **said, **scoring_facts(dataset, len(results))}
        write_evaluation(folder / "evaluation.json", named_scores(found, "val"), facts)

    def _draw(self, model: SegmentationNetwork, picture: Path) -> None:
        precision = self.scoring.precision
        segmenter = Segmenter(model, self.dataset.label_map, self.config, precision)
        save_predictions_picture(segmenter, self.dataset, picture)


def make_evaluator(
    name: str, dataset: SemanticDataset, launch: Launch[SegmentationConfig]
) -> Evaluator:
    """Make the evaluator of a training for a data set by name."""
    score = SegmentationEvaluator(dataset, launch.config, Scoring.of(launch, name))
    return Evaluator(score_names(dataset.label_map), score)
