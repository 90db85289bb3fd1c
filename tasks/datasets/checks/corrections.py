"""Write a COCO file without the defects that a check found.  Sizes are (height, width)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError
from tasks.boxes import Box
from tasks.datasets.checks.coco_file import REFUSED, check_file
from tasks.datasets.checks.images import ImageFile
from tasks.datasets.checks.objects import PLACES, UNITS
from tasks.datasets.checks.records import Records
from tasks.datasets.checks.report import Fixed
from tasks.datasets.coco.json_file import LISTS
from tasks.datasets.coco.units import find_units, in_pixels
from tasks.datasets.findings import Finding, Fix, only_errors
from tasks.files import writing
from tasks.labels import FileId

_ROUNDS = 4  # correcting a size or an id can reveal further defects
Size = tuple[int, int]


def write_corrected(
    records: Records, files: Sequence[ImageFile], findings: Sequence[Finding], path: Path
) -> Fixed:
    """Correct the findings, repeatedly, until none is left that can be; write the file.

    It is not written if errors are left, as training would refuse it. Raises UserError if the
    file cannot be read.
    """
    if not records.content:
        raise UserError(f"only a file that can be read can be corrected; {findings[0].sentence}")
    file_sizes: dict[FileId, Size] = {}
    for file in files:
        if file.size is not None:
            file_sizes[records.content["images"][file.listed.index]["id"]] = file.size
    of_both = [finding for finding in findings if finding.kind == REFUSED]  # by the other split
    done = Counter[str]()
    draft = path.with_name(f".{path.name}.partial")
    try:
        for _ in range(_ROUNDS):
            content = _Corrections(records, file_sizes, done).apply(findings)
            with writing(path):
                draft.write_text(json.dumps(content))
            records, findings = check_file(draft, records.image_root, records.exif, records.needs)
            if not any(finding.fixable for finding in findings):
                break
        left = (*of_both, *only_errors(findings))
        if not left:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Fixed(done, left)


class _Corrections:
    """The lists of a file while findings are corrected; `done` counts the corrections."""

    def __init__(
        self, records: Records, file_sizes: Mapping[FileId, Size], done: Counter[str]
    ) -> None:
        self.records = records
        self.file_sizes = file_sizes
        self.done = done
        self.lists: dict[str, list[Any]] = {name: list(records.content[name]) for name in LISTS}
        self.gone: dict[str, set[int]] = {name: set() for name in LISTS}
        self.renumbers = False
        self.renamed: dict[str, dict[FileId, FileId]] = {"images": {}, "categories": {}}
        self.turned: list[Fix] = []
        self.resized: set[FileId] = set()
        self.boxes: dict[FileId, list[Box]] = {}
        for annotation in records.objects:
            self.boxes.setdefault(annotation.image, []).append(annotation.box)

    def apply(self, findings: Sequence[Finding]) -> dict[str, Any]:
        """Return the file's content with every finding's fix applied."""
        remedies = {
            "drop": self._drop,
            "merge": self._merge,
            "clip": self._clip,
            "size": self._correct_size,
            "turn": self._correct_turned,
            "set": self._set,
            "rename": self._rename,
            UNITS: self._convert_units,
            "unmask": self._unmask,
            "rewrite": self._rewrite,
            "renumber": self._renumber,
        }
        self.turned = [one.fix for one in findings if one.fix and one.fix.remedy == "turn"]
        self.resized = self._images_to_resize(findings)
        in_units = [one for one in findings if one.fix and one.fix.remedy == UNITS]
        for finding in in_units or findings:  # other box errors show up in pixels
            if finding.fix is not None and not self._waits(finding, finding.fix):
                remedies[finding.fix.remedy](finding, finding.fix)
        kept = {name: self._kept(name) for name in LISTS}
        annotations = self._with_owners(kept)
        if self.renumbers:
            self.done["annotations renumbered"] += len(annotations)
            numbered = enumerate(annotations, start=1)
            annotations = [record | {"id": number} for number, record in numbered]
        return self.records.content | kept | {"annotations": annotations}

    def _images_to_resize(self, findings: Sequence[Finding]) -> set[FileId]:
        """Ids of the images whose size is wrong."""
        fixes = [finding.fix for finding in findings if finding.fix is not None]
        wrong = [fix for fix in fixes if fix.remedy in ("size", "turn")]
        return {self.lists["images"][fix.index]["id"] for fix in wrong}

    def _waits(self, finding: Finding, fix: Fix) -> bool:
        """Whether a box can only be judged once its image's size is right."""
        if finding.kind not in PLACES:
            return False
        return self.lists["annotations"][fix.index]["image_id"] in self.resized

    def _kept(self, name: str) -> list[Any]:
        gone = self.gone[name]
        return [record for index, record in enumerate(self.lists[name]) if index not in gone]

    def _drop(self, finding: Finding, fix: Fix) -> None:
        if fix.index not in self.gone[fix.records]:
            self.gone[fix.records].add(fix.index)
            self.done[f"{fix.records} left out ({finding.kind})"] += 1

    def _merge(self, finding: Finding, fix: Fix) -> None:
        """Leave a record out, and give its records to the one at the fix's target."""
        listed = self.lists[fix.records]
        self.renamed[fix.records][listed[fix.index]["id"]] = listed[fix.target]["id"]
        self._drop(finding, fix)

    def _clip(self, _finding: Finding, fix: Fix) -> None:
        self._change(fix, {"bbox": list(fix.target)})
        self.done["boxes clipped"] += 1

    def _set(self, _finding: Finding, fix: Fix) -> None:
        """Replace values of the file by the fix's values."""
        self._change(fix, fix.target)
        self.done[f"values of {', '.join(fix.target)} corrected"] += 1

    def _rename(self, _finding: Finding, fix: Fix) -> None:
        self._change(fix, {"name": fix.target})
        self.done["categories renamed"] += 1

    def _convert_units(self, _finding: Finding, _fix: Fix) -> None:
        """Write all boxes in pixels, with their areas if no mask gives them."""
        objects = self.records.objects
        boxes = np.array([annotation.box for annotation in objects])
        sizes = [self.records.sizes[annotation.image] for annotation in objects]
        units = find_units(boxes, np.array(sizes, dtype=np.int32))
        for annotation, size in zip(objects, sizes, strict=True):
            record = self.lists["annotations"][annotation.index]
            box = in_pixels(units, annotation.box, size)
            area = {} if record.get("segmentation") else {"area": box[2] * box[3]}
            self.lists["annotations"][annotation.index] = record | {"bbox": box} | area
        self.done[f"boxes converted from {units}"] += len(objects)

    def _unmask(self, _finding: Finding, fix: Fix) -> None:
        self._change(fix, {"segmentation": None})
        self.done["masks taken away"] += 1

    def _rewrite(self, _finding: Finding, _fix: Fix) -> None:
        """Only count it: a record that was read has each key once."""
        self.done["repeated keys left out"] += 1

    def _renumber(self, _finding: Finding, _fix: Fix) -> None:
        """Note that ids are to be given, once it is known which annotations stay."""
        self.renumbers = True

    def _correct_size(self, finding: Finding, fix: Fix) -> None:
        """Take the size of the image file if all boxes fit into it, otherwise leave the image out.

        If boxes do not fit, it is unknown which image they were drawn on.
        """
        image = self.lists[fix.records][fix.index]["id"]
        size = self.file_sizes.get(image)
        if size is None or not all(_fits(box, size) for box in self.boxes.get(image, ())):
            self._drop(finding, fix)
            return
        self._change(fix, {"height": size[0], "width": size[1]})
        self.done["image sizes corrected"] += 1

    def _correct_turned(self, finding: Finding, fix: Fix) -> None:
        """Correct the size of an image that EXIF turns, unless boxes were drawn on the unturned
        image: then the boxes of some such image do not fit into it.
        """
        if all(self._fits_file(turned) for turned in self.turned):
            self._correct_size(finding, fix)
        else:
            self._drop(finding, fix)

    def _fits_file(self, fix: Fix) -> bool:
        """Whether an image's boxes are all within its file's size."""
        image = self.lists[fix.records][fix.index]["id"]
        size = self.file_sizes.get(image)
        return size is None or all(_fits(box, size) for box in self.boxes.get(image, ()))

    def _change(self, fix: Fix, values: dict[str, Any]) -> None:
        """Replace values in a copy of a record."""
        listed = self.lists[fix.records]
        listed[fix.index] = listed[fix.index] | values

    def _with_owners(self, kept: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Return the annotations with the new ids of images and categories, without orphans."""
        images = {record["id"] for record in kept["images"]}
        categories = {record["id"] for record in kept["categories"]}
        owned = []
        for record in kept["annotations"]:
            image = self.renamed["images"].get(record["image_id"], record["image_id"])
            category = record["category_id"]
            category = self.renamed["categories"].get(category, category)
            if image in images and category in categories:
                owned.append(record | {"image_id": image, "category_id": category})
        orphans = len(kept["annotations"]) - len(owned)
        if orphans:
            self.done["annotations left out with their image or category"] += orphans
        return owned


def _fits(box: Box, size: Size) -> bool:
    """Whether a box is within an image of that size, to a pixel."""
    height, width = size
    return box[0] + box[2] <= width + 1 and box[1] + box[3] <= height + 1
