"""Check class images before training: every defect is found in one pass.

N images, K classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.cores import usable_cores
from tasks.datasets.checks.images import THREADS, Track, pixel_digest, read_in_threads
from tasks.datasets.checks.report import CheckedSplit, CheckReport, Fixed
from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.overview import class_overview
from tasks.datasets.findings import Finding, Severity
from tasks.errors import DataError
from tasks.images import Exif, decode

TINY = 8  # pixels; an image with a shorter side below this is a mistake
FEW = 5  # images; a class with fewer can hardly be learnt
LOPSIDED = 100  # times the images of the smallest class


@dataclass(frozen=True)
class Demands:
    """The demands of a training's settings on the images of a split."""

    least_side: int = 1
    """Pixels of the shorter side at least."""
    setting: str = ""
    """The settings that demand it."""
    unreadable: float = 0.0
    """Largest share of the images that may be unreadable."""


@dataclass(frozen=True)
class _Content:
    """The findings in an image."""

    index: int
    size: tuple[int, int] | None  # (height, width); None if it cannot be read
    digest: str = ""
    error: DataError | None = None


@dataclass(frozen=True)
class _Reading:
    """A set of images as it was read."""

    images: ClassImages
    contents: list[_Content]  # (N,)
    findings: list[Finding]
    trained: bool


def check_class_images(
    images: ClassImages, exif: Exif, *, track: Track | None = None
) -> Iterator[Finding]:
    """Yield the defects of the images and of their numbers by class.

    Every image is decoded; `track` shows the progress.
    """
    yield from _read(images, exif, track, Demands()).findings


def check_class_splits(
    splits: Mapping[str, ClassImages],
    exif: Exif,
    *,
    track: Track | None = None,
    demands: Mapping[str, Demands] | None = None,
) -> CheckReport:
    """Check the splits, and compare those named train and val with each other.

    `demands` are those of the training that the splits are for.
    """
    demands = demands or {}
    readings: dict[str, _Reading] = {}
    for name, images in splits.items():
        wanted = demands.get(name, Demands())
        readings[name] = _read(images, exif, track, wanted, trained=name != "val")
    if {"train", "val"} <= readings.keys():
        train = readings["train"]
        val = readings["val"]
        train.findings.extend(_find_leaks(train, val))
    findings: list[Finding] = []
    for reading in readings.values():
        findings += reading.findings
    findings.sort(key=lambda finding: finding.severity != "error")
    checked = tuple(_as_checked(name, reading, exif) for name, reading in readings.items())
    return CheckReport(checked, tuple(findings))


def _read(
    images: ClassImages,
    exif: Exif,
    track: Track | None,
    demands: Demands,
    *,
    trained: bool = True,
) -> _Reading:
    """Decode every image, and find the defects within the set."""
    read = partial(_read_content, images, exif)
    workers = min(THREADS, usable_cores())
    contents = read_in_threads(read, range(len(images)), workers, track)
    problems = _find_image_problems(images, contents, demands)
    findings = [*problems, *_find_class_problems(images, trained=trained)]
    return _Reading(images, contents, findings, trained)


def _read_content(images: ClassImages, exif: Exif, index: int) -> _Content:
    try:
        pixels = decode(images.read(index), exif)
    except DataError as error:
        return _Content(index, None, error=error)
    return _Content(index, (pixels.shape[0], pixels.shape[1]), pixel_digest(pixels))


def _find_image_problems(
    images: ClassImages, contents: Sequence[_Content], demands: Demands
) -> Iterator[Finding]:
    """Yield images that are unreadable, too small, tiny, or the same as an earlier one.

    Unreadable images within the allowed share are left out in training, and only a warning.
    """
    unreadable = sum(content.size is None for content in contents)
    too_many = unreadable > int(demands.unreadable * len(images))
    severity: Severity = "error" if too_many else "warning"
    first: dict[str, int] = {}
    for content in contents:
        if content.size is None:
            assert content.error is not None, "an image without a size could not be read"
            yield _of_image("unreadable image", severity, images, content.index, content.error)
            continue
        if min(content.size) < demands.least_side:
            height, width = content.size
            rule = (
                f"an image must be of {demands.least_side} pixels or more with {demands.setting},"
                f" got {width}x{height}"
            )
            error = DataError(rule, "take it out, or change the settings")
            yield _of_image("small image", "error", images, content.index, error)
        if min(content.size) < TINY:
            height, width = content.size
            rule = f"an image should be of {TINY} pixels or more, got {width}x{height}"
            error = DataError(rule, "check it, or take it out")
            yield _of_image("tiny image", "warning", images, content.index, error)
        earlier = first.setdefault(content.digest, content.index)
        if earlier != content.index:
            twin = _twin(images, earlier)
            rule = f"an image should be in a set once, its pixels equal those of {twin}"
            error = DataError(rule, "remove one of the two")
            yield _of_image("duplicate image", "warning", images, content.index, error)


def _find_class_problems(images: ClassImages, *, trained: bool) -> Iterator[Finding]:
    """Yield classes with few images or, if trained, without any, and very uneven classes."""
    names = images.label_map.names
    counts = np.bincount(images.labels, minlength=len(names))  # (K,)
    least = 0 if trained else 1
    for label in np.flatnonzero((counts >= least) & (counts < FEW)):
        rule = f"a class should have {FEW} images or more, got {counts[label]}"
        yield _of_class("few images", images, names[label], rule, "add some, or leave it out")
    held = np.flatnonzero(counts)
    if len(held) == 0:
        return
    largest = int(counts.argmax())
    smallest = int(held[counts[held].argmin()])
    if counts[largest] > LOPSIDED * counts[smallest]:
        rule = (
            f"classes should be of similar size, got {counts[largest]} images of"
            f" {names[largest]!r} and {counts[smallest]} of {names[smallest]!r}"
        )
        way_out = "add images of the small classes, and look at scores averaged over classes"
        yield _of_class("imbalance", images, names[smallest], rule, way_out)


def _find_leaks(train: _Reading, val: _Reading) -> Iterator[Finding]:
    """Yield the training images that are also in the validation set, by pixels."""
    scored = {content.digest: content.index for content in val.contents if content.digest}
    for content in train.contents:
        if content.digest in scored:
            twin = _twin(val.images, scored[content.digest])
            rule = f"the pixels are those of {twin}, so that a score there would be too good"
            error = DataError(rule, "remove the image from one of the two splits")
            yield _of_image("leak", "warning", train.images, content.index, error)


def _class_of(images: ClassImages, index: int) -> str:
    return images.label_map.names[int(images.labels[index])]


def _twin(images: ClassImages, index: int) -> str:
    """Describe an image with the same pixels."""
    return f"{images.name(index)} of class {_class_of(images, index)!r}"


def _of_image(
    kind: str, severity: Severity, images: ClassImages, index: int, error: DataError
) -> Finding:
    """Make a finding about an image; it can be shown if it is a file of its own."""
    path = _path_of(images, index)
    record = f"class {_class_of(images, index)!r}"
    return Finding(
        kind=kind,
        severity=severity,
        file=str(path or images.path),
        record=record if path else f"{images.name(index)}, {record}",
        rule=error.rule,
        way_out=error.way_out,
        image=path,
    )


def _path_of(images: ClassImages, index: int) -> Path | None:
    """Return the file of an image; None for an image in an archive or in memory."""
    try:
        source = images.read(index)
    except DataError:  # the archive is damaged
        return None
    return source if isinstance(source, Path) else None


def _of_class(kind: str, images: ClassImages, name: str, rule: str, way_out: str) -> Finding:
    """Make a finding about a class."""
    return Finding(
        kind=kind,
        severity="warning",
        file=str(images.path),
        record=f"class {name!r}",
        rule=rule,
        way_out=way_out,
    )


def _as_checked(name: str, reading: _Reading, exif: Exif) -> CheckedSplit:
    sizes = [content.size for content in reading.contents]
    return CheckedSplit(
        name=name,
        source=reading.images.path,
        findings=tuple(reading.findings),
        contents=_describe(reading),
        write_fixed=_refuse_to_fix,
        overview=partial(class_overview, reading.images, sizes, exif),
    )


def _describe(reading: _Reading) -> tuple[str, ...]:
    """Count images by class, and describe their sizes."""
    images = reading.images
    names = images.label_map.names
    counts = np.bincount(images.labels, minlength=len(names))  # (K,)
    lines = [f"{len(images)} images, {len(names)} classes", *images.warnings]
    sides = [min(content.size) for content in reading.contents if content.size is not None]
    if sides:
        smallest, median, largest = np.percentile(sides, (0, 50, 100))
        lines.append(f"shorter side in pixels: {smallest:g} to {largest:g}, median {median:g}")
    absent = int((counts == 0).sum())
    if absent and not reading.trained:
        of = f"{absent} of {len(names)} classes"
        lines.append(f"note: {of} have no image here, so their accuracy cannot be scored")
    lines.append("images by class:")
    for label in np.argsort(-counts, kind="stable"):
        lines.append(f"  {counts[label]:8}  {names[label]}")
    return tuple(lines)


def _refuse_to_fix(findings: Sequence[Finding], path: Path) -> Fixed:
    raise UserError(
        f"only annotations can be corrected, and class images have none to write to {path}; move or"
        " remove the images that the check names"
    )
