"""Detections of image files, as annotated pictures and one JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.detection.predict import Detector, ImageDetections
from tasks.labels import LabelMap
from tasks.vision.prediction import outputs_of, results_of_files

SCORE = 0.5
"""Of detections that are worth a look."""


@dataclass
class _Predictions:
    """What predictions.json holds: COCO's lists, the annotations being results records with
    an id.
    """

    label_map: LabelMap
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, file: Path, found: ImageDetections) -> None:
        image_id = len(self.images) + 1
        height, width = found.size
        image = {"id": image_id, "file_name": str(file), "height": height, "width": width}
        self.images.append(image)
        for record in found.to_records(image_id):
            self.annotations.append({"id": len(self.annotations) + 1, **record})

    def write(self, path: Path) -> None:
        pairs = zip(self.label_map.category_ids, self.label_map.names, strict=True)
        categories = [{"id": category, "name": name} for category, name in pairs]
        content = {"images": self.images, "categories": categories, "annotations": self.annotations}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def predict_files(
    detector: Detector,
    sources: Sequence[str | Path],
    output_dir: str | Path,
    *,
    score: float | None = None,
    report: Callable[[str], None] = print,
) -> tuple[str, ...]:
    """Write NAME_detections.jpg for every image in files and folders, and predictions.json; returns
    what went wrong.

    Only detections of at least `score`, 0.5 for None, are drawn and written. Pictures keep their
    places below a source folder. A file that cannot be decoded is left out, and its error is
    returned; a source without images is a UserError.
    """
    folder = Path(output_dir)
    pictures = outputs_of([Path(source) for source in sources], folder, "_detections.jpg")
    predictions = _Predictions(detector.label_map)
    problems: list[str] = []
    for file, everything in results_of_files(pictures, detector.read, detector.stream, problems):
        found = everything.above(SCORE if score is None else score)
        found.save(pictures[file])
        predictions.add(file, found)
        report(f"{file}: {_counted(found.names)} -> {pictures[file]}")
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.json")
    return tuple(problems)


def _counted(names: Sequence[str]) -> str:
    """Class names with how often they occur, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common()) or "nothing"
