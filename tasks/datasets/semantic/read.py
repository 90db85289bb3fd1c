"""Read a class for every pixel from files of any kind."""

from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.findings import refusal
from tasks.datasets.semantic.class_files import find_classes
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.datasets.semantic.folders import open_folders
from tasks.datasets.semantic.instances import open_instances
from tasks.datasets.semantic.layout import (
    PANOPTIC_CLASSES,
    PanopticClasses,
    Place,
    SemanticSource,
    locate_semantic,
)
from tasks.datasets.semantic.opened import Opened
from tasks.datasets.semantic.panoptic import open_panoptic
from tasks.images import Exif
from tasks.labels import LabelMap

CHECK_COMMAND = "backbones check"


def read_semantic(
    source: SemanticSource,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
    exif: Exif = "apply",
    check_command: str = CHECK_COMMAND,
) -> SemanticDataset:
    """Read a split: COCO's panoptic or instance annotations, or folders of images and masks.

    With `label_map` (a checkpoint's), classes take its labels by name; classes that it lacks are
    ignored. `check_sizes` compares the headers of all images and masks. Raises UserError naming
    the file that is missing, malformed or of another size; OtherClassesError if no class has a name
    of the label map.
    """
    place = locate_semantic(source)
    opened = open_semantic(
        source, place, label_map, exif, every=check_sizes, check_command=check_command
    )
    if opened.findings:
        raise refusal(opened.findings, opened.dataset.path, check_command)
    return opened.dataset


def open_semantic(
    source: SemanticSource,
    place: Place,
    label_map: LabelMap | None,
    exif: Exif,
    *,
    every: bool,
    check_command: str = CHECK_COMMAND,
) -> Opened:
    """Read the split that is at a place, and the headers of all of its files or of a few.

    What is wrong with files is in the findings; UserError for all else.
    """
    if place.kind == "masks":
        root = Path(source.root) if source.root is not None else place.masks.parent
        classes = find_classes(source.classes, root).ignoring(source.ignore)
        return open_folders(place, classes, label_map, exif, every=every)
    if source.ignore:
        raise UserError(
            f"data.ignore is for folders of masks, {place.masks} has {place.kind} annotations;"
            " leave it empty"
        )
    if place.kind == "panoptic":
        return open_panoptic(place, _panoptic_classes(source), label_map, exif, every=every)
    if source.classes is not None:
        raise UserError(
            f"data.classes must not be set for instances, got {source.classes!r}; {place.masks}"
            " lists them"
        )
    return open_instances(place, label_map, exif, every=every, check_command=check_command)


def _panoptic_classes(source: SemanticSource) -> PanopticClasses:
    """The choice of a file's categories; UserError for another text."""
    for choice in PANOPTIC_CLASSES:
        if source.classes in (choice, None):
            return choice
    raise UserError(
        f"data.classes must be {', '.join(PANOPTIC_CLASSES)} for panoptic annotations, got"
        f" {source.classes!r}"
    )
