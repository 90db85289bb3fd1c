"""COCO results files: ids of the annotation file outside, packed arrays inside, and errors that
name the record.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.scoring.results import (
    DetectionResults,
    concatenate,
    read_results_json,
    write_results_json,
)

RECORD = {"image_id": "frame/2", "category_id": 70, "bbox": [1.5, 2, 3, 4], "score": 0.25}


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    """Two images with string ids, two sparse categories, no objects."""
    names = ("frame/1", "frame/2")
    content = {
        "images": [
            {"id": name, "file_name": f"{name}.png", "height": 20, "width": 30} for name in names
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 70, "name": "dog"}],
        "annotations": [],
    }
    (tmp_path / "gt.json").write_text(json.dumps(content))
    return read_coco(tmp_path / "gt.json")


def write(tmp_path: Path, content: Any) -> Path:
    (tmp_path / "results.json").write_text(json.dumps(content))
    return tmp_path / "results.json"


def found(images: list[int], scores: list[float]) -> DetectionResults:
    boxes = np.arange(4 * len(images), dtype=np.float64).reshape(-1, 4)
    return DetectionResults(
        np.array(images), boxes, np.array(scores), np.zeros(len(images), np.int64)
    )


def test_reading_turns_the_files_ids_into_internal_ones(
    tmp_path: Path, dataset: CocoDataset
) -> None:
    results = read_results_json(write(tmp_path, [RECORD]), dataset)
    assert (results.image_ids.tolist(), results.labels.tolist()) == ([2], [1])
    assert (results.boxes.tolist(), results.scores.tolist()) == ([[1.5, 2.0, 3.0, 4.0]], [0.25])


def test_writing_uses_the_files_ids(tmp_path: Path, dataset: CocoDataset) -> None:
    results = DetectionResults(
        np.array([2]), np.array([[1.5, 2, 3, 4]]), np.array([0.25]), np.array([1])
    )
    write_results_json(tmp_path / "written.json", dataset, results)
    assert json.loads((tmp_path / "written.json").read_text()) == [RECORD]


@pytest.mark.parametrize("count", [0, 1, 50])
def test_what_is_written_is_read_back_to_the_last_bit(
    tmp_path: Path, dataset: CocoDataset, count: int
) -> None:
    random = np.random.default_rng(0)
    boxes, scores = (
        random.random((count, 4)).astype(np.float32),
        random.random(count).astype(np.float32),
    )
    results = DetectionResults(
        random.integers(1, 3, count),
        boxes.astype(np.float64),
        scores.astype(np.float64),
        random.integers(0, 2, count),
    )
    write_results_json(tmp_path / "written.json", dataset, results)
    back = read_results_json(tmp_path / "written.json", dataset)
    for field in ("image_ids", "boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(back, field), getattr(results, field))


def test_records_of_other_fields_and_types_are_read_the_same(
    tmp_path: Path, dataset: CocoDataset
) -> None:
    """The fast reader takes numbers only; a score written as a text of digits was always read."""
    read = [
        read_results_json(
            write(tmp_path, [{**RECORD, "score": score, "extra": {"a": [1]}}]), dataset
        )
        for score in (1, "1")
    ]
    assert read[0].scores.tolist() == read[1].scores.tolist() == [1.0]
    assert read[0].boxes.tolist() == read[1].boxes.tolist() == [RECORD["bbox"]]


def test_parts_are_joined_by_image_and_keep_their_order_within_one() -> None:
    joined = concatenate([found([3, 1], [0.1, 0.2]), found([2, 1], [0.3, 0.2])])
    assert joined.image_ids.tolist() == [1, 1, 2, 3]
    assert joined.boxes[:, 0].tolist() == [4, 4, 0, 0]
    assert joined.scores.tolist() == [0.2, 0.2, 0.3, 0.1]


def test_no_parts_join_to_no_detections() -> None:
    assert len(concatenate([])) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_id": "frame/9"},
            "image_id must be one of the annotation file's, got 'frame/9' in 1 of 2 records",
        ),
        (
            {"category_id": 8},
            "category_id must be one of the annotation file's, got 8 in 1 of 2 records",
        ),
        (
            {"category_id": "70"},
            "got '70' in 1 of 2 records; there it is written 70: the types must agree",
        ),
        ({"category_id": [70]}, r"got \[70\] in 1 of 2 records"),
        ({"bbox": [1, 2, 3]}, r"bbox must be four finite numbers, got \[1, 2, 3\] in record 1"),
        (
            {"bbox": [1, 2, 3, None]},
            r"bbox must be four finite numbers, got \[1, 2, 3, None\] in record 1",
        ),
        ({"bbox": [5, 5, -1, 2]}, r"with width and height >= 0, got \[5, 5, -1, 2\] in record 1"),
        ({"score": 10**400}, "score must be a finite number, got 1000"),
        ({"bbox": [1, 2, 10**400, 4]}, r"bbox must be four finite numbers, got \[1, 2, 1000"),
        ({"score": float("nan")}, "score must be a finite number, got nan in record 1"),
        ({"score": [0.5]}, r"score must be a finite number, got \[0.5\] in record 1"),
    ],
)
def test_a_wrong_record_is_named(
    tmp_path: Path, dataset: CocoDataset, change: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, [RECORD, {**RECORD, **change}])
    with pytest.raises(UserError, match=message):
        read_results_json(path, dataset)


def test_a_record_without_a_field_is_named(tmp_path: Path, dataset: CocoDataset) -> None:
    path = write(tmp_path, [RECORD, {"image_id": "frame/1", "category_id": 7}])
    with pytest.raises(UserError, match="record 1 lacks bbox, score"):
        read_results_json(path, dataset)


def test_annotations_in_place_of_results_are_recognised(
    tmp_path: Path, dataset: CocoDataset
) -> None:
    with pytest.raises(UserError, match="got a JSON dict; this looks like an annotation file"):
        read_results_json(write(tmp_path, {"annotations": []}), dataset)


def test_a_list_in_place_of_the_only_score_is_refused(tmp_path: Path, dataset: CocoDataset) -> None:
    with pytest.raises(UserError, match=r"score must be a finite number, got \[1\] in record 0"):
        read_results_json(write(tmp_path, [{**RECORD, "score": [1]}]), dataset)


def test_brackets_without_end_are_no_json(tmp_path: Path, dataset: CocoDataset) -> None:
    """fault_campaign, results JSON: it was a RecursionError."""
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"deep\.json is not JSON"):
        read_results_json(tmp_path / "deep.json", dataset)


def test_what_predict_wrote_is_told_from_results(tmp_path: Path, dataset: CocoDataset) -> None:
    """field_faults 19: it was called an annotation file, and its image ids are its own."""
    content = {"images": [], "categories": [], "annotations": [{"id": 1, **RECORD}]}
    with pytest.raises(UserError, match=r"a file of `predict` with .*; `eval RUN` with data\.val"):
        read_results_json(write(tmp_path, content), dataset)


def test_a_missing_file_is_named(tmp_path: Path, dataset: CocoDataset) -> None:
    with pytest.raises(UserError, match=r"nowhere\.json does not exist"):
        read_results_json(tmp_path / "nowhere.json", dataset)


def test_a_file_that_is_not_json_is_named(tmp_path: Path, dataset: CocoDataset) -> None:
    (tmp_path / "results.json").write_text("image,x,y")
    with pytest.raises(UserError, match="is not JSON"):
        read_results_json(tmp_path / "results.json", dataset)
