"""COCO's instances as a data set: objects painted on their image.  N images, M objects, K classes.

The class `background` is first, label 0, as Pascal VOC and torchvision have it: COCO's ids start at
1, so that it takes the id 0 and all others keep theirs. Its pixels are scored as others are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.categories import Classes, OtherClassesError, read_classes
from tasks.datasets.coco.dataset import CocoDataset, read_segmentations
from tasks.datasets.coco.objects import decode_mask
from tasks.datasets.coco.read_for_training import read_for_training
from tasks.datasets.packed import PackedValues
from tasks.datasets.semantic.dataset import MOST_CLASSES, SemanticDataset
from tasks.datasets.semantic.layout import Place
from tasks.datasets.semantic.lookup import label_or_ignored
from tasks.datasets.semantic.opened import Opened
from tasks.errors import few
from tasks.images import Exif, Labels
from tasks.labels import IGNORED, FileId, LabelMap

BACKGROUND = "background"
_NO_MASK = ("null", "[]", "")


@dataclass(frozen=True)
class PaintedObjects:
    """Paints labels from outlines and run lengths; those of image i are first[i] to first[i + 1].

    Objects are painted from the largest to the smallest mask; of two of a size, the later one in
    the file covers the other.
    """

    path: Path
    background: int  # label of pixels of no object
    sizes: NDArray[np.int32]  # (N, 2)
    first: NDArray[np.int64]  # (N + 1,)
    labels: Labels  # (M,), IGNORED for crowds
    segmentations: PackedValues  # (M,) JSON texts

    def __call__(self, index: int) -> Labels:
        """The labels of an image; errors as ReadLabels says."""
        height, width = self.sizes[index].tolist()
        painted = np.full((height, width), self.background, dtype=np.uint8)
        own = range(int(self.first[index]), int(self.first[index + 1]))
        masks = [self._mask(place, index) for place in own]
        areas = np.array([-mask.sum() for mask in masks])
        for place in np.argsort(areas, kind="stable"):
            painted[masks[place]] = self.labels[own[place]]
        return painted

    def _mask(self, place: int, index: int) -> NDArray[np.bool_]:
        """The pixels of an object; none for an outline of fewer than three corners."""
        height, width = self.sizes[index].tolist()
        name = f"object {place - int(self.first[index])} of image {index + 1} in {self.path}"
        segmentation = json.loads(str(self.segmentations[place]))
        mask = decode_mask(segmentation, height, width, name)
        return np.zeros((height, width), dtype=np.bool_) if mask is None else mask

    def file(self, index: int) -> Path:
        """The JSON file."""
        return self.path


def open_instances(
    place: Place, wanted: LabelMap | None, exif: Exif, *, every: bool, check_command: str
) -> Opened:
    """Read a file of instances, and the headers of all images or none.

    Raises the UserErrors of `read_for_training`, and one for objects that have no mask.
    """
    coco = read_for_training(
        place.masks,
        place.images,
        check_sizes=every,
        check_masks=True,
        exif=exif,
        check_command=check_command,
    )
    read = _classes(coco, wanted)
    own = coco.label_map.category_ids
    labels = np.array([label_or_ignored(read.labels[category]) for category in own], dtype=np.uint8)
    return Opened(_dataset(coco, read, labels), [])


def _classes(coco: CocoDataset, wanted: LabelMap | None) -> Classes:
    """The background and the file's classes.

    A category that is called so is the background itself; its id is then the file's.
    """
    own = coco.label_map
    names = set(own.names) - {BACKGROUND}
    if wanted is not None and not names & set(wanted.names):
        raise OtherClassesError(
            f"{coco.path}: no category has a name of {wanted.source}: got {few(own.names)},"
            f" expected {few(wanted.names)}"
        )
    pairs = zip(own.category_ids, own.names, strict=True)
    records = [{"id": category, "name": name} for category, name in pairs]
    if BACKGROUND not in own.names:
        free = BACKGROUND if 0 in own.category_ids else 0
        records.insert(0, {"id": free, "name": BACKGROUND})
    if len(records) > MOST_CLASSES:
        raise UserError(
            f"{coco.path}: there must be at most {MOST_CLASSES} classes, got {len(records)} with"
            f" {BACKGROUND}; leave some out"
        )
    return read_classes(records, [], wanted, str(coco.path))


def _dataset(coco: CocoDataset, read: Classes, labels: Labels) -> SemanticDataset:
    """The objects of a data set, whose classes have these labels (K,), to be painted."""
    names = read.label_map.names
    background = names.index(BACKGROUND) if BACKGROUND in names else IGNORED
    segmentations = read_segmentations(coco)
    _check_masks(coco, segmentations)
    return SemanticDataset(
        path=coco.path,
        image_root=coco.image_root,
        label_map=read.label_map,
        image_ids=coco.image_ids,
        original_ids=coco.original_ids,
        file_names=coco.file_names,
        sizes=coco.sizes,
        read_labels=PaintedObjects(
            path=coco.path,
            background=background,
            sizes=coco.sizes,
            first=coco.first,
            labels=np.where(coco.crowd, IGNORED, labels[coco.labels]).astype(np.uint8),
            segmentations=segmentations,
        ),
        warnings=coco.warnings + read.warnings,
    )


def _check_masks(coco: CocoDataset, segmentations: Sequence[FileId]) -> None:
    """Raise UserError where objects have boxes alone."""
    without = [place for place, text in enumerate(segmentations) if text in _NO_MASK]
    if without:
        index = int(np.searchsorted(coco.first, without[0], side="right")) - 1
        raise UserError(
            f"{coco.path}: every object needs a segmentation, {len(without)} of"
            f" {len(segmentations)} have none, the first is on image"
            f" {coco.original_ids[index]!r}; outline them, or train a detector"
        )
