"""Detections of a data set as packed arrays, and COCO results files.  N detections.

A results file is a JSON list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}
with the ids of the annotation file; inside, image ids are `CocoDataset.image_ids` (1, 2, …) and
labels are contiguous.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.json_file import Record, parse_json, without_collection
from tasks.files import write_text
from tasks.labels import FileId

FIELDS = ("image_id", "category_id", "bbox", "score")


@dataclass(frozen=True)
class DetectionResults:
    """N detections of any number of images.

    Among equal scores those of an image rank in their order here.
    """

    image_ids: NDArray[np.int64]  # (N,) ids of CocoDataset.image_ids
    boxes: NDArray[np.float64]  # (N, 4) x, y, width, height in pixels of the original image
    scores: NDArray[np.float64]  # (N,)
    labels: NDArray[np.int64]  # (N,) contiguous

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, keep: NDArray[np.bool_]) -> "DetectionResults":
        """Return the detections that `keep` (N,) marks."""
        return DetectionResults(
            self.image_ids[keep], self.boxes[keep], self.scores[keep], self.labels[keep]
        )

    @staticmethod
    def empty() -> "DetectionResults":
        """Return no detection at all."""
        ids = np.zeros(0, np.int64)
        return DetectionResults(ids, np.zeros((0, 4), np.float64), np.zeros(0, np.float64), ids)


def concatenate(parts: Sequence[DetectionResults]) -> DetectionResults:
    """Join the parts' detections, sorted by image, so that sharding leaves no trace.

    Within an image they keep their order.
    """
    parts = [DetectionResults.empty(), *parts]
    image_ids = np.concatenate([part.image_ids for part in parts])
    boxes = np.concatenate([part.boxes for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    order = np.argsort(image_ids, kind="stable")
    return DetectionResults(image_ids[order], boxes[order], scores[order], labels[order])


def records(
    results: DetectionResults, image_ids: Sequence[FileId], category_ids: Sequence[FileId]
) -> list[dict[str, Any]]:
    """Make one results record per detection.

    Image i gets the id `image_ids[i - 1]`, label k `category_ids[k]`.
    """
    columns = (
        results.image_ids.tolist(),
        results.labels.tolist(),
        results.boxes.tolist(),
        results.scores.tolist(),
    )
    return [
        {
            "image_id": image_ids[image - 1],
            "category_id": category_ids[label],
            "bbox": box,
            "score": score,
        }
        for image, label, box, score in zip(*columns, strict=True)
    ]


def write_results_json(path: str | Path, dataset: CocoDataset, results: DetectionResults) -> None:
    """Write a COCO results file with the data set's own image and category ids.

    Numbers keep every bit. Detections of classes without a category in the data set are left out,
    as they have no id there.
    """
    results = results.where(~np.isin(results.labels, sorted(dataset.absent)))
    written = records(results, list(dataset.original_ids), dataset.label_map.category_ids)
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in written)
    write_text(Path(path), f"[{lines}]\n")


class PlainRecord(msgspec.Struct, gc=False):
    """A record as COCO defines it; other fields are passed over."""

    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float]
    score: float


def read_results_json(path: str | Path, dataset: CocoDataset) -> DetectionResults:
    """Read the detections of a COCO results file of any origin.

    Raises UserError that names the first record that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"results must be a COCO results JSON file, but {path} does not exist")
    with without_collection():
        text = path.read_bytes()
        results = _parse_plain(text, dataset)
        if results is None:
            results = _parse(path, _load_list(path, text), dataset)
    return results


def _parse_plain(text: bytes, dataset: CocoDataset) -> DetectionResults | None:
    """Detections of records that are all as COCO defines them.

    None where one is not, which `_parse` then names.
    """
    images = _numbers_of_images(dataset)
    labels = _labels_of_categories(dataset)
    try:
        read = msgspec.json.decode(text, type=list[PlainRecord])
        image_ids = np.array([images[record.image_id] for record in read], np.int64)
        classes = np.array([labels[record.category_id] for record in read], np.int64)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    coordinates = chain.from_iterable(map(attrgetter("bbox"), read))
    boxes = np.fromiter(coordinates, np.float64, 4 * len(read)).reshape(-1, 4)
    scores = np.fromiter(map(attrgetter("score"), read), np.float64, len(read))
    if (boxes[:, 2:] < 0).any():
        return None
    return DetectionResults(image_ids, boxes, scores, classes)


def _numbers_of_images(dataset: CocoDataset) -> dict[FileId, int]:
    return dict(zip(dataset.original_ids, dataset.image_ids.tolist(), strict=True))


def _labels_of_categories(dataset: CocoDataset) -> dict[FileId, int]:
    return {category: label for label, category in enumerate(dataset.label_map.category_ids)}


def _parse(path: Path, read: Sequence[Record], dataset: CocoDataset) -> DetectionResults:
    """Detections of records of any types; UserError where one does not fit."""
    image_ids = _look_up(path, read, "image_id", _numbers_of_images(dataset))
    labels = _look_up(path, read, "category_id", _labels_of_categories(dataset))
    boxes = _numbers(path, read, "bbox", (4,))
    scores = _numbers(path, read, "score", ())
    negative = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if negative.size:
        rule = "bbox must be [x, y, width, height] with width and height >= 0"
        raise UserError(f"{path}: {rule}, got {read[negative[0]]['bbox']} in record {negative[0]}")
    return DetectionResults(image_ids, boxes, scores, labels)


def _load_list(path: Path, text: bytes) -> list[dict[str, Any]]:
    """The records of a results file, each with all fields; UserError where it is something else."""
    try:
        read = parse_json(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(
            f"results must be a COCO results JSON file; {path} is not JSON: {error}"
        ) from error
    rule = f"a results file must be a JSON list of records with {', '.join(FIELDS)}"
    if not isinstance(read, list):
        hint = ""
        if isinstance(read, dict) and "annotations" in read:
            hint = f"; {_what_it_is(read['annotations'])}"
        raise UserError(f"{path}: {rule}, got a JSON {type(read).__name__}{hint}")
    try:
        deque(map(itemgetter(*FIELDS), read), maxlen=0)
    except (KeyError, TypeError, IndexError):
        index = next(index for index, record in enumerate(read) if _missing(record))
        record = read[index]
        lacks = f"record {index} lacks {', '.join(_missing(record))}: {str(record)[:200]}"
        raise UserError(f"{path}: {rule}; {lacks}") from None
    return read


def _what_it_is(annotations: object) -> str:
    """Description of a JSON object with annotations, and the way out if it has scores."""
    first = annotations[0] if isinstance(annotations, list) and annotations else {}
    if isinstance(first, dict) and "score" in first:
        return (
            "this is a file of `predict` with its own image ids; `eval RUN` with"
            " data.val.images=FOLDER data.val.annotations=FILE scores a detector on annotations"
        )
    return "this looks like an annotation file; give it with --annotations"


def _missing(record: object) -> list[str]:
    """The fields that a record lacks."""
    return [field for field in FIELDS if not isinstance(record, dict) or field not in record]


def _look_up(
    path: Path, read: Sequence[Record], field: str, known: Mapping[FileId, int]
) -> NDArray[np.int64]:
    """The internal ids of a column of the annotation file's ids."""
    values = [record[field] for record in read]
    try:
        return np.fromiter(map(known.__getitem__, values), np.int64, len(values))
    except (KeyError, TypeError):  # TypeError: not hashable
        unknown = next(value for value in values if not _is_known(value, known))
    count = sum(value == unknown for value in values)
    raise UserError(
        f"{path}: every {field} must be one of the annotation file's, got {unknown!r} in {count} of"
        f" {len(read)} records; {_hint(unknown, known)}"
    )


def _is_known(value: Any, known: Mapping[FileId, int]) -> bool:
    return isinstance(value, int | float | str) and value in known


def _hint(unknown: Any, known: Mapping[FileId, int]) -> str:
    """Hint about an id that the annotation file does not have."""
    retyped = unknown
    if isinstance(unknown, int):
        retyped = str(unknown)
    elif str(unknown).isdecimal():
        retyped = int(unknown)
    if retyped != unknown and retyped in known:
        return f"there it is written {retyped!r}: the types must agree"
    return f"it has {len(known)} such ids, the first being {next(iter(known), None)!r}"


def _numbers(
    path: Path, read: Sequence[Record], field: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """A column of finite numbers, or of lists of them, as (N, *shape)."""
    values = [record[field] for record in read]
    try:
        column = np.array(values, np.float64)
        if not values:
            return column.reshape(0, *shape)
        if column.shape == (len(values), *shape) and np.isfinite(column).all():
            return column
    except (TypeError, ValueError, OverflowError):
        pass  # the search below names the record
    index = next(index for index, value in enumerate(values) if not _is_finite(value, shape))
    rule = "four finite numbers" if shape else "a finite number"
    raise UserError(f"{path}: {field} must be {rule}, got {values[index]!r} in record {index}")


def _is_finite(value: object, shape: tuple[int, ...]) -> bool:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return array.shape == shape and bool(np.isfinite(array).all())
