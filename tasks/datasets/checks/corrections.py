"""A COCO file without the defects that a check found.  Sizes are (height, width)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.boxes import Box
from tasks.datasets.checks.coco_file import check_file
from tasks.datasets.checks.images import ImageFile
from tasks.datasets.checks.records import Records
from tasks.datasets.checks.report import Fixed
from tasks.datasets.coco.json_file import LISTS
from tasks.datasets.findings import Finding, Fix, only_errors
from tasks.files import write_text
from tasks.labels import FileId

_ROUNDS = 4  # what was hidden behind a wrong size or id is found when that is corrected
Size = tuple[int, int]


def write_corrected(
    records: Records, files: Sequence[ImageFile], findings: Sequence[Finding], path: Path
) -> Fixed:
    """Write the file with the findings corrected, until none is left that can be.

    Raises UserError where the file cannot be read.
    """
    if not records.content:
        raise UserError(f"only a file that can be read can be corrected; {findings[0].sentence}")
    file_sizes: dict[FileId, Size] = {}
    for file in files:
        if file.size is not None:
            file_sizes[records.content["images"][file.listed.index]["id"]] = file.size
    done = Counter[str]()
    for _ in range(_ROUNDS):
        content = _Corrections(records, file_sizes, done).apply(findings)
        write_text(path, json.dumps(content))
        records, findings = check_file(path, records.image_root, records.exif)
        if not any(finding.fixable for finding in findings):
            break
    return Fixed(done, tuple(only_errors(findings)))


class _Corrections:
    """The lists of a file while findings are corrected; `done` counts what was."""

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
            "unmask": self._unmask,
            "rewrite": self._rewrite,
            "renumber": self._renumber,
        }
        for finding in findings:
            if finding.fix is not None:
                remedies[finding.fix.remedy](finding, finding.fix)
        kept = {name: self._kept(name) for name in LISTS}
        annotations = self._with_owners(kept)
        if self.renumbers:
            self.done["annotations renumbered"] += len(annotations)
            numbered = enumerate(annotations, start=1)
            annotations = [record | {"id": number} for number, record in numbered]
        return self.records.content | kept | {"annotations": annotations}

    def _kept(self, name: str) -> list[Any]:
        gone = self.gone[name]
        return [record for index, record in enumerate(self.lists[name]) if index not in gone]

    def _drop(self, finding: Finding, fix: Fix) -> None:
        if fix.index not in self.gone[fix.records]:
            self.gone[fix.records].add(fix.index)
            self.done[f"{fix.records} left out ({finding.kind})"] += 1

    def _merge(self, finding: Finding, fix: Fix) -> None:
        """Leave a record out and give what it owns to the record at the fix's target."""
        listed = self.lists[fix.records]
        self.renamed[fix.records][listed[fix.index]["id"]] = listed[fix.target]["id"]
        self._drop(finding, fix)

    def _clip(self, _finding: Finding, fix: Fix) -> None:
        self._change(fix, {"bbox": list(fix.target)})
        self.done["boxes clipped"] += 1

    def _unmask(self, _finding: Finding, fix: Fix) -> None:
        self._change(fix, {"segmentation": None})
        self.done["masks taken away"] += 1

    def _rewrite(self, _finding: Finding, _fix: Fix) -> None:
        """Nothing is to be done to what was read: it has each key once."""
        self.done["repeated keys left out"] += 1

    def _renumber(self, _finding: Finding, _fix: Fix) -> None:
        """Ids are given once it is known which annotations stay."""
        self.renumbers = True

    def _correct_size(self, finding: Finding, fix: Fix) -> None:
        """Take the size of the image file where all boxes fit into it, else leave the image out.

        Nobody could tell what boxes that do not fit were drawn on.
        """
        image = self.lists[fix.records][fix.index]["id"]
        size = self.file_sizes.get(image)
        if size is None or not all(_fits(box, size) for box in self.boxes.get(image, ())):
            self._drop(finding, fix)
            return
        self._change(fix, {"height": size[0], "width": size[1]})
        self.done["image sizes corrected"] += 1

    def _change(self, fix: Fix, values: dict[str, Any]) -> None:
        """Replace values of a record, in a copy."""
        listed = self.lists[fix.records]
        listed[fix.index] = listed[fix.index] | values

    def _with_owners(self, kept: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Annotations under the ids that images and categories have now, without the orphans."""
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
    """Whether a box is in an image of that size, to a pixel."""
    height, width = size
    return box[0] + box[2] <= width + 1 and box[1] + box[3] <= height + 1
