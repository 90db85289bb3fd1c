"""Time training a classifier and preparing its images against plain torch, torchvision and timm.

Training uses the given number of threads; images are prepared on one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.cifar import check_augmentation, draw_cifar, time_augmentation
from benchmarks.cifar_training import check_step, time_training
from benchmarks.common import Report
from benchmarks.crops import check_crops, find_photos, time_crops
from tasks.engine.threads import one_thread

NOTE = (
    "CIFAR's images are noise of their size. The plain torch loop is timed with each number of"
    " workers, and the faster one is the peer. torchvision's crops are normalised each; timm's and"
    " ours leave that to the batch, on the network's device."
)


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """Images, and numbers of rounds and steps."""

    images: Path
    count: int
    batch: int
    steps: int
    rounds: int


def run(settings: ClassifierSettings) -> Report:
    """Compare all outputs, then time them; OutputsDifferError if they differ."""
    photos = find_photos(settings.images, settings.count)
    cifar = draw_cifar(settings.steps * settings.batch, settings.batch)
    checks = (check_step(cifar), check_augmentation(cifar), check_crops(photos))
    training = time_training(cifar, settings.steps, settings.rounds)
    with one_thread():
        augmentation = time_augmentation(cifar, settings.steps, settings.rounds)
        crops = time_crops(photos, settings.rounds)
    return Report(
        "classifier", "Image classifier", checks, (training, augmentation, crops), (NOTE,)
    )
