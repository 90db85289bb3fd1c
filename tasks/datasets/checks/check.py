"""Check a COCO data set before training: every defect is found in one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.coco_file import look_through, read_as_training
from tasks.datasets.checks.coco_overview import coco_overview
from tasks.datasets.checks.contents import describe_contents
from tasks.datasets.checks.corrections import write_corrected
from tasks.datasets.checks.images import (
    ImageFile,
    Track,
    find_image_problems,
    find_leaks,
    find_unlisted,
    read_files,
)
from tasks.datasets.checks.records import Needs, Records
from tasks.datasets.checks.report import CheckedSplit, CheckReport
from tasks.datasets.coco.categories import read_classes
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.findings import Finding, only_errors
from tasks.errors import DataError
from tasks.images import Exif
from tasks.labels import LabelMap

SCORED = 100
"""Detections of an image that COCO's AP counts."""


@dataclass(frozen=True)
class Split:
    """Where a split is."""

    name: str
    images: Path
    annotations: Path
    needs_masks: bool = False
    """Whether training decodes masks, as for copy-paste."""
    keep_empty: bool = False
    """Whether training uses images without objects."""


@dataclass(frozen=True)
class _Reading:
    """A split as it was read."""

    split: Split
    records: Records
    files: list[ImageFile]
    findings: list[Finding]


def check(
    splits: Sequence[Split], *, exif: Exif, grid: AnchorGrid, track: Track | None = None
) -> CheckReport:
    """Check the splits, and compare those named train and val with each other.

    `track` shows the progress of reading images.
    """
    readings = [_read(split, exif, track) for split in splits]
    _read_as_training(readings)
    findings: list[Finding] = []
    for reading in readings:
        findings += reading.findings
    readable = [reading for reading in readings if reading.records.content]
    folders = [reading.records.image_root for reading in readable]
    listed: list[Path] = []
    for reading in readable:
        listed += [file.listed.path for file in reading.files]
    findings += find_unlisted(folders, listed)
    by_name = {reading.split.name: reading for reading in readings}
    if {"train", "val"} <= by_name.keys():
        val = by_name["val"]
        leaks = list(find_leaks(by_name["train"].files, val.files, val.records.path))
        by_name["train"].findings.extend(leaks)
        findings += leaks
    findings.sort(key=lambda finding: finding.severity != "error")
    checked = tuple(_as_checked(reading, grid) for reading in readings)
    return CheckReport(checked, tuple(findings))


def _read(split: Split, exif: Exif, track: Track | None) -> _Reading:
    trained = split.name != "val"
    objects = trained and not split.keep_empty
    needs = Needs(masks=split.needs_masks, objects=objects, trained=trained)
    records, findings = look_through(split.annotations, split.images, exif, needs)
    files = read_files(records.listed_images(), exif, track=track)
    findings += find_image_problems(files, exif)
    return _Reading(split, records, files, findings)


def _read_as_training(readings: Sequence[_Reading]) -> None:
    """Read all splits as training does, and add findings about what it refuses or leaves out.

    Validation data take the classes of the training data. Splits with errors are skipped.
    """
    trained: LabelMap | None = None
    for reading in readings:
        if only_errors(reading.findings):
            continue
        is_val = reading.split.name == "val"
        wanted = trained if is_val else None
        dataset, refused = read_as_training(reading.records, wanted)
        reading.findings.extend(refused)
        if dataset is None:
            continue
        reading.findings.extend(_find_too_many(reading, dataset))
        if is_val:
            reading.findings.extend(_find_other_classes(reading.records, wanted))
        else:
            trained = dataset.label_map if reading.split.name == "train" else None


def _find_other_classes(records: Records, wanted: LabelMap | None) -> Iterator[Finding]:
    """Find categories without a class of training, and classes without a category."""
    if wanted is None:
        return
    categories = records.content["categories"]
    annotations = records.content["annotations"]
    source = str(records.path)
    own = read_classes(categories, annotations, None, source).warnings
    both = read_classes(categories, annotations, wanted, source).warnings
    for text in both:
        if text not in own:
            rule = f"both splits should have the same classes, but {text}"
            error = DataError(rule, "give both one list, as other categories are not scored")
            yield records.finding("other classes", "warning", "the categories", error)


def _find_too_many(reading: _Reading, dataset: CocoDataset) -> Iterator[Finding]:
    """Find images with more objects than the detections that COCO scores."""
    counts = np.diff(dataset.first)
    if len(counts) and counts.max() > SCORED:
        rule = (
            f"an image should have at most {SCORED} objects, as COCO scores {SCORED} detections of"
            " a class, and a detector keeps model.roi.detections_per_image of an image;"
            f" {(counts > SCORED).sum()} images have more, the most is {counts.max()}"
        )
        way_out = "raise model.roi.detections_per_image, or cut the images into tiles"
        error = DataError(rule, way_out)
        image = f"image {dataset.original_ids[int(counts.argmax())]!r}"
        yield reading.records.finding("many objects", "warning", image, error)


def _as_checked(reading: _Reading, grid: AnchorGrid) -> CheckedSplit:
    return CheckedSplit(
        name=reading.split.name,
        source=reading.records.path,
        findings=tuple(reading.findings),
        contents=describe_contents(reading.records, grid),
        write_fixed=partial(write_corrected, reading.records, reading.files),
        overview=partial(coco_overview, reading.records, reading.files, grid),
    )
