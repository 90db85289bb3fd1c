"""Detect objects in image files; write annotated pictures and one JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.detection.predict import Detector, ImageDetections
from tasks.files import write_text
from tasks.labels import LabelMap
from tasks.outputs import PREDICT, Outputs
from tasks.vision.prediction import is_time_to_write, outputs_of, results_of_files

SCORE = 0.5
"""Least score of detections that are worth a look."""


@dataclass
class _Predictions:
    """Content of predictions.json: COCO's lists; the annotations are results records with an id."""

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
        write_text(path, json.dumps(content, ensure_ascii=False, indent=1))


def predict_files(
    detector: Detector,
    sources: Sequence[str | Path],
    output_dir: str | Path,
    *,
    score: float | None = None,
    report: Callable[[str], None] = print,
    outputs: Outputs = PREDICT,
) -> tuple[str, ...]:
    """Write NAME_detections.jpg for every image in files and folders, and predictions.json; returns
    the errors.

    Only detections of at least `score`, 0.5 for None, are drawn and written. Pictures keep their
    places below a source folder. A file that cannot be decoded is left out, and its error is
    returned; a source without images is a UserError, and so is an existing file that `outputs` does
    not own.
    """
    folder = Path(output_dir)
    pictures = outputs_of([Path(source) for source in sources], folder, "_detections.jpg")
    table = folder / "predictions.json"
    predictions = _Predictions(detector.label_map)
    problems: list[str] = []
    found_in = results_of_files(pictures, detector.read, detector.stream, problems)
    with outputs.reading(*pictures).owning(*pictures.values(), table):
        for file, everything in found_in:
            found = everything.above(SCORE if score is None else score)
            found.save(pictures[file])
            predictions.add(file, found)
            report(f"{file}: {_counted(found.names)} -> {pictures[file]}")
            if is_time_to_write(len(predictions.images)):
                predictions.write(table)
        predictions.write(table)
    return tuple(problems)


def _counted(names: Sequence[str]) -> str:
    """Count the class names, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common()) or "nothing"
