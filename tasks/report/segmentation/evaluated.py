"""Scored pixels with their data, for reports and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.images import Exif
from tasks.labels import LabelMap
from tasks.report.run import finished_evaluation, recorded_path
from tasks.scoring.pixels_file import ScoredPixels, read_results
from tasks.scoring.resampling import Interval, interval_of, resample
from tasks.scoring.semantic import class_counts, class_ious, headline_scores
from tasks.scoring.semantic_results import SemanticResults


@dataclass(frozen=True)
class Evaluated:
    """Scored pixels, where their images are, and how sure the scores are."""

    data: str
    """Path of the data that was scored."""
    image_root: Path
    """Folder that file names are below."""
    exif: Exif
    scored: ScoredPixels

    @property
    def results(self) -> SemanticResults:
        """Counts of pixels."""
        return self.scored.results

    @property
    def label_map(self) -> LabelMap:
        """The classes."""
        return self.scored.label_map

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of all images (3, K): right, true, predicted."""
        return class_counts(self.results.confusion)

    @cached_property
    def samples(self) -> NDArray[np.float64]:
        """Counts of every bootstrap sample (S, 3, K)."""
        return resample(self.results.counts)

    def headline_intervals(self) -> dict[str, Interval]:
        """The 95 % intervals of the scores over all classes."""
        scores = headline_scores(self.samples)
        return {name: interval_of(values) for name, values in scores.items()}

    @cached_property
    def sampled_ious(self) -> NDArray[np.float64]:
        """IoU of every sample (S, K), nan where it holds no pixel of the class."""
        held = self.samples[:, 1] > 0
        return np.where(held, class_ious(self.samples), np.nan)

    @property
    def held_samples(self) -> NDArray[np.int64]:
        """Number of samples that hold a pixel of each class, (K,)."""
        held: NDArray[np.int64] = (self.samples[:, 1] > 0).sum(axis=0)
        return held

    @property
    def partial_samples(self) -> int:
        """Number of samples that lack some class that others hold."""
        held = self.samples[:, 1] > 0
        return int((~held[:, held.any(axis=0)]).any(axis=1).sum())

    def class_intervals(self) -> list[Interval]:
        """The 95 % intervals of the classes' IoU, K of them."""
        return [interval_of(values) for values in self.sampled_ious.T]


def read_evaluated(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    eval_command: str = "backbones eval",
) -> Evaluated:
    """Read what a folder's evaluation.json and pixels.npz say.

    `images` replaces the folder of images, `eval_command` is how the user starts an evaluation.
    Raises UserError where a file is missing or damaged; images need not be there.
    """
    metadata = finished_evaluation(folder, "data", eval_command)
    return Evaluated(
        data=metadata["data"],
        image_root=Path(images or recorded_path(folder, metadata.get("image_root", ""))),
        exif=metadata.get("exif", "apply"),
        scored=read_results(folder),
    )
