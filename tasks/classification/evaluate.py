"""Score classifiers over every rank. B images, V views of each, K classes, N in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_backbones.classifier import Classifier
from resnet_backbones.weights.passport import PixelNormalizer
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.decoded import DecodedImages, ScoredDecoded
from tasks.classification.data.files import ScoredFiles, TestReader
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.data.views import View, views_of
from tasks.datasets.class_images.class_images import ClassImages
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
from tasks.report.classification.evaluated import PREDICTIONS
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.predictions_file import write_results
from tasks.scoring.top_k import (
    RANKS,
    ClassResults,
    concatenate,
    format_table,
    score_classes,
    score_names,
    scoring_facts,
)

BATCH = 128
"""A batch of images for scoring."""
Part = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids of images (B,) and their probabilities (B, K)."""


@dataclass(frozen=True)
class Member:
    """A classifier with its preprocessing; the probabilities of all members are averaged."""

    model: Classifier
    normalizer: PixelNormalizer

    @classmethod
    def of(cls, model: Classifier) -> Member:
        """Network with its weights' preprocessing, on its device."""
        device = next(model.parameters()).device
        return cls(model, PixelNormalizer(model.backbone.passport).to(device))

    def logits(self, images: Tensor, *, dense: bool = False) -> Tensor:
        """Compute logits (B, K) of pixels (B, 3, H, W) uint8; `dense` for whole images of any
        size.
        """
        normalized = self.normalizer(images)
        logits: Tensor = self.model.dense(normalized) if dense else self.model(normalized)
        return logits.float()


@dataclass(frozen=True)
class ClassificationEvaluator:
    """Scores a classifier on one data set; an `engine.evaluation.Score`."""

    images: ClassImages
    decoded: DecodedImages | None
    """Its pixels, if they are decoded."""
    config: ClassificationConfig
    scoring: Scoring
    """The surroundings; its folder receives predictions.csv and evaluation.json."""
    unreadable: Unreadable
    others: tuple[Member, ...] = ()
    """Further classifiers whose probabilities are averaged with the model's."""

    def __call__(self, model: nn.Module, step: int, final: bool) -> SetScores:
        """Score a model. Collective."""
        assert isinstance(model, Classifier)
        return self.evaluate(model, {"step": step})

    def evaluate(self, model: Classifier, about: Mapping[str, object]) -> SetScores:
        """Score a model, and write the files. Collective."""
        members = (Member.of(model), *self.others)
        with evaluation_mode(model):
            results, losses = self._run(members)

        def score(parts: list[ClassResults], means: dict[str, float]) -> SetScores:
            everything = concatenate(parts)
            found = SetScores(score_classes(everything, self.images.label_map), means)
            if self.scoring.output_dir is not None:
                with self.scoring.saving(format_table(found.scores)):
                    self._save(self.scoring.output_dir, everything, found, about)
            return found

        return score_together(self.scoring.world, results, losses, score)

    def _run(self, members: Sequence[Member]) -> tuple[ClassResults, LossSums]:
        """Compute this rank's results and summed losses."""
        groups = views_of(self.config.test)
        if len(groups) == 1:
            parts, losses = self._look(members, groups[0])
            return to_results(parts, self.images.labels), losses
        total: dict[int, NDArray[np.float32]] = {}
        for views in groups:  # images of any size; only their sums are kept
            parts, losses = self._look(members, views)
            for ids, probabilities in parts:
                for image, row in zip(ids.tolist(), probabilities, strict=True):
                    total[image] = total[image] + row if image in total else row
        averaged = [
            (np.array([image]), total[image][None] / np.float32(len(groups)))
            for image in sorted(total)
        ]
        return to_results(averaged, self.images.labels), LossSums()

    def _look(
        self, members: Sequence[Member], views: tuple[View, ...]
    ) -> tuple[list[Part], LossSums]:
        """Compute probabilities of this rank's images, averaged over members and views, and the
        losses.
        """
        scoring = self.scoring
        batches = self._batches(views)
        dense = views[0].crop is None

        def compute(batch: ClassificationBatch) -> tuple[Part, Mapping[str, Tensor]]:
            with scoring.precision.autocast():
                logits = [member.logits(batch.images, dense=dense) for member in members]
            mean = torch.stack([x.softmax(dim=1) for x in logits]).mean(dim=0)  # (B * V, K)
            mean = mean.reshape(-1, len(views), mean.shape[1]).mean(dim=1)  # (B, K)
            ids = batch.image_ids[:: len(views)].cpu()
            there = batch.missing[:: len(views)].cpu() == 0
            losses = {}
            if len(views) == len(members) == 1:
                losses = {"class": F.cross_entropy(logits[0], batch.labels)}
            kept = mean.cpu()[there].numpy()
            return (ids[there].numpy(), kept), losses

        shown = batches.images * len(views)
        unit = "image" if len(views) == 1 else "view"
        tracked = scoring.track(batches, self.images.path, shown, unit)
        return run_batches(tracked, scoring.world, compute)

    def _batches(self, views: tuple[View, ...]) -> ScoredFiles | ScoredDecoded:
        """Make this rank's batches of images; they are small if each view has its own size."""
        share = self.scoring.share
        one_size = views[0].crop is not None or self.decoded is not None
        batch_size = max(1, BATCH // len(views)) if one_size else 1
        if self.decoded is not None:
            return ScoredDecoded(self.decoded, self.config, share, views, batch_size)
        reader = TestReader(self.images, self.config, views)
        return ScoredFiles(reader, share, self.unreadable, batch_size)

    def _save(
        self, folder: Path, results: ClassResults, found: SetScores, about: Mapping[str, object]
    ) -> None:
        images = self.images
        write_results(folder / PREDICTIONS, results, images.label_map, images.name)
        known = scoring_facts(images.path, None, results, images.label_map)
        views = {"views": self.config.test.views}
        facts = {"task": "classification", **known, **views, **about, **self.scoring.about}
        write_evaluation(folder / "evaluation.json", named_scores(found, "val"), facts)


def to_results(parts: Sequence[Part], labels: NDArray[np.int64]) -> ClassResults:
    """Collect the most likely classes of the images, with the data set's labels (N,)."""
    found: list[ClassResults] = []
    for ids, probabilities in parts:
        ranks = min(RANKS, probabilities.shape[1])
        ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :ranks]
        best = np.take_along_axis(probabilities, ranked, axis=1)
        found.append(ClassResults(ids, labels[ids - 1], ranked, best))
    return concatenate(found)


def make_evaluator(
    name: str,
    images: ClassImages,
    decoded: DecodedImages | None,
    unreadable: Unreadable,
    launch: Launch[ClassificationConfig],
) -> Evaluator:
    """Make a run's evaluator of a data set; that of `val` writes files to run.output_dir."""
    score = ClassificationEvaluator(
        images=images,
        decoded=decoded,
        config=launch.config,
        scoring=Scoring.of(launch, name),
        unreadable=unreadable,
    )
    return Evaluator(score_names(images.label_map), score)
