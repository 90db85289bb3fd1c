"""A COCO data set looked through before training: every defect found in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.coco_file import check_file
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
from tasks.datasets.checks.records import Records
from tasks.datasets.checks.report import CheckedSplit, CheckReport
from tasks.datasets.findings import Finding
from tasks.images import Exif


@dataclass(frozen=True)
class Split:
    """Where a split is."""

    name: str
    images: Path
    annotations: Path


@dataclass(frozen=True)
class _Reading:
    """A split as it was read."""

    name: str
    records: Records
    files: list[ImageFile]
    findings: list[Finding]


def check(
    splits: Sequence[Split], *, exif: Exif, grid: AnchorGrid, track: Track | None = None
) -> CheckReport:
    """Look through the splits; those named train and val are compared with each other.

    `track` shows how far the reading of images is.
    """
    readings = [_read(split, exif, track) for split in splits]
    findings: list[Finding] = []
    for reading in readings:
        findings += reading.findings
    readable = [reading for reading in readings if reading.records.content]
    folders = [reading.records.image_root for reading in readable]
    listed: list[Path] = []
    for reading in readable:
        listed += [file.listed.path for file in reading.files]
    findings += find_unlisted(folders, listed)
    by_name = {reading.name: reading for reading in readings}
    if {"train", "val"} <= by_name.keys():
        val = by_name["val"]
        leaks = list(find_leaks(by_name["train"].files, val.files, val.records.path))
        by_name["train"].findings.extend(leaks)
        findings += leaks
    findings.sort(key=lambda finding: finding.severity != "error")
    checked = tuple(_as_checked(reading, grid) for reading in readings)
    return CheckReport(checked, tuple(findings))


def _read(split: Split, exif: Exif, track: Track | None) -> _Reading:
    records, findings = check_file(split.annotations, split.images, exif)
    files = read_files(records.listed_images(), exif, track=track)
    findings += find_image_problems(files, exif)
    return _Reading(split.name, records, files, findings)


def _as_checked(reading: _Reading, grid: AnchorGrid) -> CheckedSplit:
    return CheckedSplit(
        name=reading.name,
        source=reading.records.path,
        findings=tuple(reading.findings),
        contents=describe_contents(reading.records, grid),
        write_fixed=partial(write_corrected, reading.records, reading.files),
    )
