"""Find all defects of one COCO file, except those of image files."""

from collections.abc import Iterator
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.objects import read_objects
from tasks.datasets.checks.records import Needs, Records, read_records
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.datasets.coco.usable import usable_images
from tasks.datasets.findings import Finding, only_errors
from tasks.errors import DataError
from tasks.images import Exif
from tasks.labels import LabelMap

REFUSED = "refused by training"
"""The kind of findings that training refuses although no rule of the check is broken."""


def look_through(
    path: Path, image_root: Path, exif: Exif, needs: Needs
) -> tuple[Records, list[Finding]]:
    """Read a file tolerantly: return the usable records, and all defects."""
    records = Records(path=path, image_root=image_root, exif=exif, needs=needs)
    findings = list(read_records(records))
    findings += read_objects(records)
    return records, findings


def check_file(
    path: Path, image_root: Path, exif: Exif, needs: Needs
) -> tuple[Records, list[Finding]]:
    """Check a file, and also find the defects that only the training reader refuses."""
    records, findings = look_through(path, image_root, exif, needs)
    if not only_errors(findings):
        _, refused = read_as_training(records)
        findings += refused
    return records, findings


def read_as_training(
    records: Records, label_map: LabelMap | None = None
) -> tuple[CocoDataset | None, list[Finding]]:
    """Read the data set as training does, or find its refusal if no rule of the check is broken.

    With `label_map`, classes take its labels, as for validation data.
    """
    try:
        dataset = read_coco(
            records.path,
            records.image_root,
            label_map=label_map,
            check_masks=records.needs.masks,
            exif=records.exif,
        )
    except UserError as error:
        return None, [refused_by_training(records.path, error)]
    return dataset, list(_find_nothing_to_train_on(records, dataset))


def _find_nothing_to_train_on(records: Records, dataset: CocoDataset) -> Iterator[Finding]:
    """Find that no image can be trained on, if training needs one."""
    try:
        usable_images(dataset, keep_empty=not records.needs.objects)
    except DataError as error:
        yield records.finding("nothing to train on", "error", "the file", error)


def refused_by_training(path: Path, error: UserError) -> Finding:
    """Make a finding of an error that only the training reader raises."""
    return Finding(
        kind=REFUSED,
        severity="error",
        file=str(path),
        record="the file",
        rule=str(error),
        way_out="correct the file",
    )
