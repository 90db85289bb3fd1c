"""A COCO file without the errors that a check found.  Sizes are (height, width)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.checks.check import CheckedSplit, Report, check_records
from tasks.datasets.checks.objects import clipped
from tasks.datasets.checks.records import Finding, Records
from tasks.datasets.coco.objects import Box
from tasks.labels import FileId

_ROUNDS = 4  # what was hidden behind a wrong size or id is found when that is mended


def write_fixed(report: Report, out: str | Path) -> str:
    """Write each split's corrected file, `out` or, of several splits, `out` with the split's name;
    say what was done.

    Raises UserError where nothing can be mended because the file itself cannot be read.
    """
    out = Path(out)
    lines = []
    for split in report.splits:
        path = (
            out
            if len(report.splits) == 1
            else out.with_name(f"{out.stem}_{split.name}{out.suffix}")
        )
        done, left = _fix(split, path)
        lines.append(
            f"{path}: "
            + (", ".join(f"{count} {what}" for what, count in done.items()) or "nothing to mend")
        )
        lines += [
            f"  not mended: {finding.kind}: {finding.entry}: {finding.seen}" for finding in left
        ]
    return "\n".join(lines)


def _fix(split: CheckedSplit, path: Path) -> tuple[Counter[str], list[Finding]]:
    records, done = split.records, Counter[str]()
    if not records.content:
        raise UserError(f"only a file that can be read can be mended; {records.findings[0].seen}")
    findings: Sequence[Finding] = records.findings
    sizes = {image: file.size for image, file in split.files.items() if file.size is not None}
    for _ in range(_ROUNDS):
        path.write_text(json.dumps(_Mending(records, sizes, done).content(findings)))
        records = check_records(path, records.image_root, records.exif)
        findings = records.findings
        if not any(finding.severity == "error" for finding in findings):
            return done, []
    return done, [finding for finding in findings if finding.severity == "error"]


class _Mending:
    """The lists of a file while findings are mended; `done` counts what was."""

    def __init__(
        self, records: Records, sizes: Mapping[FileId, tuple[int, int]], done: Counter[str]
    ) -> None:
        self.records, self.sizes, self.done = records, sizes, done
        self.lists = {
            name: list(records.content[name]) for name in ("images", "categories", "annotations")
        }
        self.gone: dict[str, set[int]] = {name: set() for name in self.lists}
        self.renamed: dict[str, dict[FileId, FileId]] = {"images": {}, "categories": {}}
        self.boxes: dict[FileId, list[Box]] = {}
        for found in records.objects:
            self.boxes.setdefault(found.image, []).append(found.box)

    def content(self, findings: Sequence[Finding]) -> dict[str, Any]:
        """The file's content with every finding's remedy applied."""
        remedies = {
            "drop": self._drop,
            "merge": self._merge,
            "clip": self._clip,
            "size": self._correct_size,
            "unmask": self._unmask,
        }
        for finding in findings:
            if finding.place is not None and finding.remedy in remedies:
                remedies[finding.remedy](finding, *finding.place)
        kept = {
            name: [record for place, record in enumerate(records) if place not in self.gone[name]]
            for name, records in self.lists.items()
        }
        kept["annotations"] = self._with_owners(kept)
        if any(finding.remedy == "renumber" for finding in findings):
            self.done["annotations numbered anew"] += len(kept["annotations"])
            kept["annotations"] = [
                record | {"id": number} for number, record in enumerate(kept["annotations"], 1)
            ]
        return self.records.content | kept

    def _drop(self, finding: Finding, name: str, index: int) -> None:
        if index not in self.gone[name]:
            self.gone[name].add(index)
            self.done[f"{name} left out ({finding.kind})"] += 1

    def _merge(self, finding: Finding, name: str, index: int) -> None:
        records = self.lists[name]
        self.renamed[name][records[index]["id"]] = records[finding.target]["id"]
        self._drop(finding, name, index)

    def _clip(self, finding: Finding, name: str, index: int) -> None:
        record = self.lists[name][index]
        (height, width), box = self.records.sizes[record["image_id"]], finding.box
        assert box is not None, "every finding that can be clipped has its box"
        self.lists[name][index] = record | {"bbox": list(clipped(box, (height, width)))}
        self.done["boxes clipped"] += 1

    def _unmask(self, _finding: Finding, name: str, index: int) -> None:
        self.lists[name][index] = self.lists[name][index] | {"segmentation": None}
        self.done["masks taken away"] += 1

    def _correct_size(self, finding: Finding, name: str, index: int) -> None:
        """Take the file's size where all boxes fit into it; else nobody knows what they were drawn
        on.
        """
        record = self.lists[name][index]
        size = self.sizes.get(record["id"])
        boxes = self.boxes.get(record["id"], ())
        if size is None or any(
            box[0] + box[2] > size[1] + 1 or box[1] + box[3] > size[0] + 1 for box in boxes
        ):
            self._drop(finding, name, index)
            return
        self.lists[name][index] = record | {"height": size[0], "width": size[1]}
        self.done["image sizes corrected"] += 1

    def _with_owners(self, kept: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """The annotations under the ids that images and categories have now, without those that
        lost theirs.
        """
        images, categories = (
            {record["id"] for record in kept[name]} for name in ("images", "categories")
        )
        found = []
        for record in kept["annotations"]:
            image, category = record["image_id"], record["category_id"]
            image, category = (
                self.renamed["images"].get(image, image),
                self.renamed["categories"].get(category, category),
            )
            if image in images and category in categories:
                found.append(record | {"image_id": image, "category_id": category})
        if lost := len(kept["annotations"]) - len(found):
            self.done["annotations left out with their image or category"] += lost
        return found
