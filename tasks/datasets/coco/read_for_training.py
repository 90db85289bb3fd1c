"""Read COCO JSON for training: fast if it is sound, otherwise naming every defect."""

from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.coco_file import look_through, refused_by_training
from tasks.datasets.checks.images import find_image_problems, read_files
from tasks.datasets.checks.records import Needs
from tasks.datasets.coco.categories import OtherClassesError
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.datasets.findings import Finding, only_errors, refusal
from tasks.errors import DataError
from tasks.images import Exif
from tasks.labels import LabelMap


def read_for_training(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = False,
    check_masks: bool = False,
    exif: Exif = "apply",
    check_command: str = "backbones check",
) -> CocoDataset:
    """Read a COCO instances file as `read_coco` does; the error lists all defects.

    Sound data take no time beyond `read_coco`'s. Other data are checked as `backbones check` does,
    but only the headers of image files; `check_command` is how the user starts that. Raises
    UserError with file, record, rule and way out of the first errors, and their number; the error
    of `read_coco` is first. The error is that of `read_coco` alone if the file cannot be read at
    all, if its classes are not those of `label_map`, or if the check finds no wrong record.
    """
    path = Path(annotations)
    image_root = Path(images) if images is not None else path.parent
    try:
        return read_coco(
            path,
            image_root,
            label_map=label_map,
            check_sizes=check_sizes,
            check_masks=check_masks,
            exif=exif,
        )
    except OtherClassesError:
        raise  # the file itself may be sound
    except UserError as error:
        errors = find_errors(
            path, image_root, check_sizes=check_sizes, check_masks=check_masks, exif=exif
        )
        if not errors:
            raise
        raise refusal(_in_order(errors, error, path), path, check_command) from error


def find_errors(
    path: Path, image_root: Path, *, check_sizes: bool, exif: Exif, check_masks: bool = False
) -> list[Finding]:
    """Find the errors of a COCO file, and of image files' headers if training needs them.

    Training needs them if `check_sizes` is set, and for a record without its image's size. A file
    that cannot be read at all gives no findings.
    """
    records, findings = look_through(path, image_root, exif, Needs(masks=check_masks))
    if not records.content:
        return []
    listed = records.listed_images()
    if not check_sizes:
        listed = [image for image in listed if image.size is None]
    files = read_files(listed, exif, pixels=False)
    findings += find_image_problems(files, exif)
    return only_errors(findings)


def _in_order(errors: list[Finding], error: UserError, path: Path) -> list[Finding]:
    """Order the errors for the message: the reader's own first, then the rest."""
    own = _told_by(errors, error)
    if not own:
        own = [refused_by_training(path, error)]
        errors = [*own, *errors]
    return sorted(errors, key=lambda finding: finding not in own)


def _told_by(errors: list[Finding], error: UserError) -> list[Finding]:
    """Find the findings that state the reader's error; empty if no check has its rule.

    The error about image files quotes findings. The error about a record states the rule in the
    same words as the finding, but may describe the value differently.
    """
    quoted = [finding for finding in errors if finding.sentence in str(error)]
    cause = error.__cause__
    if quoted or not isinstance(cause, DataError):
        return quoted
    record = f"{cause.record} "  # "annotation 7 of image 3 " begins with "annotation 7 "
    same = [finding for finding in errors if _must_hold(finding.rule) == _must_hold(cause.rule)]
    of_record = [finding for finding in same if record.startswith(f"{finding.record} ")]
    return of_record[:1] or same[:1]


def _must_hold(rule: str) -> str:
    """Cut a rule before the value that was seen: "image ids must be unique"."""
    return rule.partition(", ")[0]
