"""Check images with a class for every pixel before training.  N images, K classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.checks.coco_file import check_file, refused_by_training
from tasks.datasets.checks.images import (
    ImageFile,
    ListedImage,
    Track,
    find_image_problems,
    find_leaks,
    read_files,
)
from tasks.datasets.checks.overview import Example, Overview
from tasks.datasets.checks.records import Needs
from tasks.datasets.checks.report import CheckedSplit, CheckReport, Fixed
from tasks.datasets.coco.layout import instance_files
from tasks.datasets.findings import Finding, only_errors
from tasks.datasets.semantic.dataset import SemanticDataset, read_pair
from tasks.datasets.semantic.label_counts import (
    LabelCounts,
    count_labels,
    describe_labels,
    find_class_problems,
)
from tasks.datasets.semantic.layout import Place, SemanticSource, locate_semantic
from tasks.datasets.semantic.pairs import pair_files
from tasks.datasets.semantic.read import open_semantic
from tasks.images import Exif
from tasks.labels import LabelMap


@dataclass
class _Reading:
    """A split, its labels and the findings about it."""

    name: str
    source: Path
    findings: list[Finding] = field(default_factory=list)
    files: list[ImageFile] = field(default_factory=list)
    contents: tuple[str, ...] = ()
    label_map: LabelMap | None = None
    overview: Callable[[], Overview] | None = None


def check_semantic(
    sources: Mapping[str, SemanticSource], exif: Exif, *, track: Track | None = None
) -> CheckReport:
    """Check splits by name, and compare those named train and val with each other.

    Every image and mask is decoded; `track` shows the progress. Raises UserError for a split that
    `locate_semantic` does not find.
    """
    places = {name: locate_semantic(source) for name, source in sources.items()}
    readings: dict[str, _Reading] = {}
    for name, source in sources.items():
        trained = readings["train"].label_map if name == "val" and "train" in readings else None
        readings[name] = _read(name, source, places[name], exif, track, trained)
    if {"train", "val"} <= readings.keys():
        train = readings["train"]
        val = readings["val"]
        leaks = find_leaks(train.files, val.files, val.source)
        train.findings.extend(replace(leak, fix=None) for leak in leaks)
    findings: list[Finding] = []
    for reading in readings.values():
        findings += reading.findings
    findings.sort(key=lambda finding: finding.severity != "error")
    checked = tuple(_as_checked(reading) for reading in readings.values())
    return CheckReport(checked, tuple(findings))


def holds_semantic(folder: Path) -> bool:
    """Whether a folder has a split of masks, or of panoptic annotations without instances.

    A mask must have the name of an image, so class folders do not count.
    """
    if any((folder / name).is_file() for name in instance_files("train")):
        return False
    try:
        place = locate_semantic(SemanticSource(root=folder))
        return place.kind == "panoptic" or bool(pair_files(place).pairs)
    except UserError:
        return False


def _read(
    name: str,
    source: SemanticSource,
    place: Place,
    exif: Exif,
    track: Track | None,
    trained: LabelMap | None,
) -> _Reading:
    """Read a split, its images and its labels, and find what is wrong within it.

    Classes take the labels of `trained`, those of the training split, as in training.
    """
    reading = _Reading(name, place.masks)
    if place.kind == "instances":
        reading.findings += check_file(place.masks, place.images, exif, Needs(masks=True))[1]
        if only_errors(reading.findings):
            return reading
    try:
        headers = place.kind == "masks"  # of others the files are compared with the records below
        opened = open_semantic(source, place, trained, exif, every=headers)
    except UserError as error:
        reading.findings.append(refused_by_training(place.masks, error))
        return reading
    reading.label_map = opened.dataset.label_map
    reading.findings += opened.findings
    _read_images(reading, opened.dataset, place, exif, track)
    _read_labels(reading, opened.dataset, exif, track)
    return reading


def _read_images(
    reading: _Reading, dataset: SemanticDataset, place: Place, exif: Exif, track: Track | None
) -> None:
    """Decode every image, and add the defects of its file."""
    listed: list[ListedImage] = []
    for index, (height, width) in enumerate(dataset.sizes.tolist()):
        record = f"image {dataset.original_ids[index]!r}"
        path = dataset.image_path(index)
        listed.append(ListedImage(record=record, path=path, size=(height, width)))
    reading.files = read_files(listed, exif, track=track)
    for finding in find_image_problems(reading.files, exif):
        if finding.kind != "EXIF" or place.kind == "instances":  # else masks show which way is up
            reading.findings.append(replace(finding, fix=None))


def _read_labels(
    reading: _Reading, dataset: SemanticDataset, exif: Exif, track: Track | None
) -> None:
    """Read every image's labels, count them, and add their defects."""
    broken = {finding.file for finding in only_errors(reading.findings)}
    files = map(dataset.read_labels.file, range(len(dataset)))
    sound = [index for index, file in enumerate(files) if str(file) not in broken]
    counts, findings = count_labels(dataset, sound, track)
    trained = reading.name != "val"
    reading.findings += [*findings, *find_class_problems(dataset, counts, trained=trained)]
    reading.contents = describe_labels(dataset, counts, trained=trained)
    reading.overview = partial(_overview, dataset, counts, sound, exif)


def _overview(
    dataset: SemanticDataset, counts: LabelCounts, sound: Sequence[int], exif: Exif
) -> Overview:
    """Overview for the page: the `sound` images with their labels, and the share of each class."""
    pixels = counts.pixels[: dataset.label_map.num_classes]

    def example(index: int) -> Example:
        image, labels = read_pair(dataset, sound[index], exif)
        return Example(dataset.image_path(sound[index]).name, image, labels=labels)

    return Overview(
        counted="pixels",
        label_map=dataset.label_map,
        by_class=pixels / max(1, counts.counted),
        sizes=dataset.sizes.astype(np.int64),
        examples=len(sound),
        example=example,
    )


def _as_checked(reading: _Reading) -> CheckedSplit:
    return CheckedSplit(
        name=reading.name,
        source=reading.source,
        findings=tuple(reading.findings),
        contents=reading.contents,
        write_fixed=_refuse_to_fix,
        overview=reading.overview,
    )


def _refuse_to_fix(findings: Sequence[Finding], path: Path) -> Fixed:
    raise UserError(
        f"only annotations of boxes can be corrected, and masks have none to write to {path};"
        " correct the files that the check names"
    )
