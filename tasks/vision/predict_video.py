"""Predict on videos: write an annotated video and a JSON file for each."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.files import write_text
from tasks.labels import LabelMap
from tasks.outputs import PREDICT, Outputs
from tasks.vision.prediction import ImageResult, outputs_of
from tasks.vision.video import Video, VideoWriter, opened_video

ANNOTATED, RECORDS = "_annotated.mp4", "_predictions.json"
Track = Callable[[Iterable[ImageResult], str, int, str], Iterator[ImageResult]]
"""(results, their title, their number, their unit) -> the results, with progress shown."""


def predict_videos(
    predictor: Any,
    files: Sequence[Path],
    output_dir: str | Path,
    *,
    score: float,
    track: Track,
    report: Callable[[str], None] = print,
    outputs: Outputs = PREDICT,
) -> tuple[str, ...]:
    """Write NAME_annotated.mp4 and NAME_predictions.json for every video; returns the errors.

    Results with a score below `score` are left out. A file that cannot be decoded is left out, and
    its error is returned. UserError if a file exists that `outputs` does not own.
    """
    problems: list[str] = []
    places = outputs_of(list(files), Path(output_dir), ANNOTATED)
    records = {file: _records_beside(output) for file, output in places.items()}
    outputs = outputs.reading(*places)
    outputs.claim(*places.values(), *records.values())
    for file, output in places.items():
        try:
            with opened_video(file) as video, outputs.owning(output, records[file]):
                count = _predict(predictor, video, output, score, track)
        except UserError as error:
            problems.append(str(error))
        else:
            report(f"{file}: {count} frames -> {output}")
    return tuple(problems)


def _predict(predictor: Any, video: Video, output: Path, score: float, track: Track) -> int:
    """Write the two files of a video, and return its number of frames."""
    records = _Records(video, predictor.label_map)
    results = predictor.stream(video.frames())
    with VideoWriter(output, video.rate) as writer:
        for found in track(results, str(video.path), video.count, "frame"):
            above = found.above(score)
            writer.add(above.plot())
            records.add(above, score)
    write_text(_records_beside(output), json.dumps(records.content, ensure_ascii=False))
    return len(records.content["images"])


def _records_beside(output: Path) -> Path:
    return output.with_name(output.name.removesuffix(ANNOTATED) + RECORDS)


class _Records:
    """COCO's lists, with each frame as an image."""

    def __init__(self, video: Video, label_map: LabelMap) -> None:
        pairs = zip(label_map.category_ids, label_map.names, strict=True)
        categories = [{"id": category, "name": name} for category, name in pairs]
        self.name = str(video.path)
        self.rate = video.rate
        self.content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "categories": categories,
            "annotations": [],
        }

    def add(self, found: ImageResult, score: float) -> None:
        """Add the next frame."""
        frame = len(self.content["images"])
        height, width = found.pixels.shape[:2]
        about = {"file_name": self.name, "frame": frame, "seconds": round(frame / self.rate, 3)}
        self.content["images"].append({"id": frame + 1, **about, "height": height, "width": width})
        annotations = self.content["annotations"]
        for record in found.to_records(frame + 1):
            if record.get("score", 1.0) >= score:
                annotations.append({"id": len(annotations) + 1, **record})
