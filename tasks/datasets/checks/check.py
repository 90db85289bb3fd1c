"""A data set looked through before training: every defect found in one pass, what the data hold,
and a corrected file.

M objects; boxes are (x, y, width, height) in pixels, sizes (height, width).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid, best_iou
from tasks.datasets.checks.images import ImageFile, find_leaks, find_unlisted, read_images
from tasks.datasets.checks.objects import read_annotations
from tasks.datasets.checks.records import Finding, Records, read_records
from tasks.datasets.coco.dataset import read_coco
from tasks.images import Exif
from tasks.labels import FileId

_SMALL, _LARGE = 32.0**2, 96.0**2  # square pixels, COCO's limits


@dataclass(frozen=True)
class Split:
    """Where a split is."""

    name: str
    images: Path
    annotations: Path


@dataclass(frozen=True)
class CheckedSplit:
    """A split that was looked through."""

    name: str
    records: Records
    files: Mapping[FileId, ImageFile]
    contents: tuple[str, ...]
    """What the split holds, line by line."""


@dataclass(frozen=True)
class Report:
    """What was found in all splits, errors first."""

    splits: tuple[CheckedSplit, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def kinds(self) -> list[tuple[str, list[Finding]]]:
        """The findings by kind, in their order."""
        by_kind: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_kind.setdefault(finding.kind, []).append(finding)
        return list(by_kind.items())

    def text(self, shown: int | None) -> str:
        """The table, then at most so many findings of each kind (None: all), then what the splits
        hold.
        """
        lines = (
            [f"{'severity':10}{'count':>7}  {'kind':24}first"]
            if self.findings
            else ["nothing found"]
        )
        for kind, found in self.kinds():
            first = f"{Path(found[0].file).name}, {found[0].entry}"
            lines.append(f"{found[0].severity:10}{len(found):7}  {kind:24}{first}")
        for kind, found in self.kinds():
            lines += ["", f"{kind}:"]
            lines += [
                f"  {one.severity}: {one.file}: {one.entry}: {one.seen}" for one in found[:shown]
            ]
            if shown is not None and len(found) > shown:
                lines.append(f"  … and {len(found) - shown} more; --all names them")
        for split in self.splits:
            lines += [
                "",
                f"{split.name}: {split.records.path}",
                *(f"  {line}" for line in split.contents),
            ]
        verdict = (
            "no errors"
            if not self.errors
            else f"{self.errors} error{'s' if self.errors > 1 else ''}"
        )
        return "\n".join([*lines, "", f"{verdict}, {len(self.findings) - self.errors} warnings"])


def check(splits: Sequence[Split], *, exif: Exif, grid: AnchorGrid) -> Report:
    """Look through the splits; those named train and val are compared with each other."""
    checked = [_check_split(split, exif, grid) for split in splits]
    findings = [finding for split in checked for finding in split.records.findings]
    findings += find_unlisted([split.records for split in checked if split.records.content])
    pairs = {split.name: (split.records, split.files) for split in checked}
    if {"train", "val"} <= pairs.keys():
        leaks = list(find_leaks(pairs["train"], pairs["val"]))
        pairs["train"][0].findings.extend(leaks)
        findings += leaks
    findings.sort(key=lambda finding: finding.severity != "error")
    return Report(tuple(checked), tuple(findings))


def check_records(path: Path, images: Path, exif: Exif) -> Records:
    """The annotation file alone with its findings, among them whatever else the training reader
    refuses.
    """
    records = read_records(path, images, exif)
    read_annotations(records)
    if not any(finding.severity == "error" for finding in records.findings):
        try:
            read_coco(path, images, exif=exif)
        except UserError as error:
            records.add("refused by training", "error", "the file", str(error))
    return records


def _check_split(split: Split, exif: Exif, grid: AnchorGrid) -> CheckedSplit:
    records = check_records(split.annotations, split.images, exif)
    return CheckedSplit(split.name, records, read_images(records), _contents(records, grid))


def _contents(records: Records, grid: AnchorGrid) -> tuple[str, ...]:
    """Images, objects by image, size and class, and how well the anchors cover them."""
    found = [one for one in records.objects if not one.crowd]
    crowds = len(records.objects) - len(found)
    lines = [
        f"{len(records.images)} images, {len(found)} objects, {crowds} crowds,"
        f" {len(records.categories)} categories"
    ]
    if not found:
        return tuple(lines)
    owners = Counter(one.image for one in found)
    counts = np.array([owners[image] for image in records.images])
    lines.append(
        f"objects per image: median {np.median(counts):g}, mean {counts.mean():.1f}, most"
        f" {counts.max()}; {(counts == 0).sum()} images have none"
    )
    areas = np.array([one.area for one in found])
    sizes = np.array([records.sizes[one.image] for one in found], dtype=np.float64)
    overlap = best_iou(np.array([one.box for one in found]), sizes, grid)
    bounds = (
        ("all", 0, np.inf),
        ("small", 0, _SMALL),
        ("medium", _SMALL, _LARGE),
        ("large", _LARGE, np.inf),
    )
    lines.append(
        f"anchors at {grid.short_edge}/{grid.long_edge}, sizes"
        f" {', '.join(f'{size:g}' for size in grid.sizes)}:"
    )
    for name, low, high in bounds:
        chosen = overlap[(areas >= low) & (areas < high)]
        recall = [
            f"{100 * (chosen >= least).mean():5.1f} %" if len(chosen) else "   –   "
            for least in (0.5, 0.7)
        ]
        lines.append(
            f"  {name:8}{len(chosen):8} objects, best IoU >= 0.5: {recall[0]}, >= 0.7: {recall[1]}"
        )
    lines.append("objects by class:")
    classes = Counter(one.category for one in found)
    for category in sorted(records.categories, key=lambda category: -classes[category]):
        lines.append(
            f"  {classes[category]:8}  {records.category_name(category)} (id {category!r})"
        )
    return tuple(lines)
