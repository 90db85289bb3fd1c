"""Everything that is wrong with one COCO file, image files apart."""

from collections.abc import Iterator
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.objects import read_objects
from tasks.datasets.checks.records import Records, read_records
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.findings import Finding, only_errors
from tasks.images import Exif


def look_through(path: Path, image_root: Path, exif: Exif) -> tuple[Records, list[Finding]]:
    """Read a file tolerantly: the records that can be used, and all that is wrong with any."""
    records = Records(path=path, image_root=image_root, exif=exif)
    findings = list(read_records(records))
    findings += read_objects(records)
    return records, findings


def check_file(path: Path, image_root: Path, exif: Exif) -> tuple[Records, list[Finding]]:
    """Look through a file, and find too what only the training reader refuses."""
    records, findings = look_through(path, image_root, exif)
    if not only_errors(findings):
        findings += _refused_by_training(records)
    return records, findings


def _refused_by_training(records: Records) -> Iterator[Finding]:
    """What training refuses although no rule of the check is broken: the check lacks a rule."""
    try:
        read_coco(records.path, records.image_root, exif=records.exif)
    except UserError as error:
        yield refused_by_training(records.path, error)


def refused_by_training(path: Path, error: UserError) -> Finding:
    """Make the finding of what the training reader refuses and no rule of the check tells."""
    return Finding(
        kind="refused by training",
        severity="error",
        file=str(path),
        record="the file",
        rule=str(error),
        way_out="correct the file",
    )
