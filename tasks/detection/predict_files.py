"""Detections of image files, as annotated pictures and one JSON."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.detection.predict import Detector, ImageDetections
from tasks.images import find_images
from tasks.labels import LabelMap
from tasks.plots import Pixels


@dataclass
class _Predictions:
    """What predictions.json holds: COCO's lists, the annotations being results records with
    an id.
    """

    label_map: LabelMap
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, file: Path, found: ImageDetections) -> None:
        image_id, (height, width) = len(self.images) + 1, found.size
        self.images.append(
            {"id": image_id, "file_name": str(file), "height": height, "width": width}
        )
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
    score: float = 0.5,
    report: Callable[[str], None] = print,
) -> tuple[str, ...]:
    """Write NAME_detections.jpg for every image in files and folders, and predictions.json; returns
    what went wrong.

    Only detections of at least `score` are drawn and written. Pictures keep their places below a
    source folder. A file that cannot be decoded is left out, and its error is returned; a source
    without images is a UserError.
    """
    folder = Path(output_dir)
    files = _pictures_of([Path(source) for source in sources], folder)
    predictions, problems = _Predictions(detector.label_map), list[str]()
    waiting: deque[Path] = deque()  # read, but not yet detected in

    def readable() -> Iterator[Pixels]:
        for file in files:
            try:
                pixels = detector.read(file)
            except UserError as error:
                problems.append(str(error))
            else:
                waiting.append(file)
                yield pixels

    for everything in detector.stream(readable()):
        file = waiting.popleft()
        found = everything.above(score)
        found.save(files[file])
        predictions.add(file, found)
        report(f"{file}: {_counted(found.names)} -> {files[file]}")
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.json")
    return tuple(problems)


def _pictures_of(sources: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """The picture to make of each image in the sources; what lies in `folder` itself is
    left out.
    """
    pictures: dict[Path, Path] = {}
    taken: set[Path] = set()
    for source in sources:
        if source.is_dir() and source.resolve() == folder.resolve():
            raise UserError(f"--out must be another folder than the images', got {folder} for both")
        for file in find_images(source):
            if source.is_dir() and file.resolve().is_relative_to(folder.resolve()):
                continue
            place = folder / (file.relative_to(source) if source.is_dir() else file.name)
            names = (
                f"{stem}_detections.jpg"
                for stem in (place.stem, place.name, f"{len(pictures)}_{place.name}")
            )
            pictures[file] = next(path for path in map(place.with_name, names) if path not in taken)
            taken.add(pictures[file])
    return pictures


def _counted(names: Sequence[str]) -> str:
    """Class names with how often they occur, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common()) or "nothing"
