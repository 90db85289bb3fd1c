"""Labels of a data set read and counted, and what is wrong with them.  N images, K classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.cores import usable_cores
from tasks.datasets.checks.images import THREADS, Track, read_in_threads
from tasks.datasets.findings import Finding, Severity
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.datasets.semantic.folders import of_mask
from tasks.datasets.semantic.lookup import UnknownValuesError
from tasks.datasets.semantic.opened import MaskSizeError
from tasks.errors import DataError
from tasks.labels import IGNORED

MANY = 8  # unknown values in a mask that are a sign of JPEG or resampling
_VALUES = 256  # that a label can have


@dataclass(frozen=True)
class LabelCounts:
    """Numbers of pixels of each label, of images with each label, and of images that were read."""

    pixels: NDArray[np.int64]  # (256,)
    images: NDArray[np.int64]  # (256,)
    read: int

    @property
    def counted(self) -> int:
        """Pixels of any class."""
        return int(self.pixels.sum() - self.pixels[IGNORED])


def count_labels(
    dataset: SemanticDataset, indices: Sequence[int], track: Track | None
) -> tuple[LabelCounts, list[Finding]]:
    """Read the labels of these images, count them, and find what is wrong with each."""
    read = partial(_read, dataset)
    contents = read_in_threads(read, indices, min(THREADS, usable_cores()), track)
    pixels = np.zeros(_VALUES, dtype=np.int64)
    images = np.zeros(_VALUES, dtype=np.int64)
    findings: list[Finding] = []
    sound = 0
    for index, content in zip(indices, contents, strict=True):
        if isinstance(content, DataError):
            findings.append(_wrong_labels(dataset, index, content))
            continue
        sound += 1
        pixels += content
        images += content > 0
        if content.sum() == content[IGNORED]:
            findings.append(_only_ignored(dataset, index))
    return LabelCounts(pixels, images, sound), findings


def _read(dataset: SemanticDataset, index: int) -> NDArray[np.int64] | DataError:
    """Pixels of each label (256,), or the reason why they are unknown."""
    try:
        labels = dataset.read_labels(index)
    except DataError as error:
        return error
    return np.bincount(labels.ravel(), minlength=_VALUES)


def _wrong_labels(dataset: SemanticDataset, index: int, error: DataError) -> Finding:
    if isinstance(error, UnknownValuesError):
        if error.different < MANY:
            return of_mask("label outside the list", dataset, index, error)
        rule = f"{error.rule}, and {error.different - 1} others, as JPEG and resampling produce"
        lossy = DataError(rule, "save masks as PNG, and resize them with nearest neighbours")
        return of_mask("lossy mask", dataset, index, lossy)
    kind = "size mismatch" if isinstance(error, MaskSizeError) else "unreadable mask"
    return of_mask(kind, dataset, index, error)


def _only_ignored(dataset: SemanticDataset, index: int) -> Finding:
    rule = "an image should have a pixel of a class, this one has ignored pixels only"
    error = DataError(rule, "label it, or remove it, as training learns nothing from it")
    return of_mask("only ignored", dataset, index, error, "warning")


def find_class_problems(
    dataset: SemanticDataset, counts: LabelCounts, *, trained: bool
) -> Iterator[Finding]:
    """Yield that all pixels are ignored, or else the classes that no image has, of a split that is
    trained on.
    """
    if counts.read == 0:
        return
    if counts.counted == 0:
        rule = "a split must have pixels of a class, all of this one are ignored"
        yield _of_split("nothing to learn", "error", dataset, "the masks", rule)
        return
    for label, name in enumerate(dataset.label_map.names):
        if trained and counts.images[label] == 0:
            rule = "a class should be in a training image, it is in none"
            yield _of_split("class in no image", "warning", dataset, f"class {name!r}", rule)


def _of_split(
    kind: str, severity: Severity, dataset: SemanticDataset, record: str, rule: str
) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        file=str(dataset.path),
        record=record,
        rule=rule,
        way_out="check the values of masks against the list of classes",
    )


def describe_labels(
    dataset: SemanticDataset, counts: LabelCounts, *, trained: bool
) -> tuple[str, ...]:
    """Say which share of the pixels, and how many images, each class has; and how many classes
    cannot be scored, of a split that is not trained on.
    """
    names = dataset.label_map.names
    total = max(1, int(counts.pixels.sum()))
    lines = [
        f"{len(dataset)} images, {len(names)} classes",
        f"ignored: {100 * counts.pixels[IGNORED] / total:.2f} % of the pixels,"
        f" in {counts.images[IGNORED]} images",
        *dataset.warnings,
    ]
    absent = int((counts.images[: len(names)] == 0).sum())
    if absent and counts.counted and not trained:
        of = f"{absent} of {len(names)} classes"
        lines.append(f"note: {of} are in no image here, so their IoU cannot be scored")
    lines.append("pixels and images by class:")
    for label in np.argsort(-counts.pixels[: len(names)], kind="stable"):
        share = 100 * counts.pixels[label] / max(1, counts.counted)
        lines.append(f"  {share:6.2f} %{counts.images[label]:8}  {names[label]}")
    return tuple(lines)
