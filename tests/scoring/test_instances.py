"""COCO scores: equal to pycocotools called directly, to the last bit; nan where there is no ground
truth.
"""

import contextlib
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.detection.results import evaluate_results
from tasks.report.instances.build import remake_report
from tasks.scoring import instances
from tasks.scoring.engines import SCORE_NAMES
from tasks.scoring.instances import (
    Backend,
    final_scores,
    format_table,
    score_boxes,
)
from tasks.scoring.results import DetectionResults, write_results_json

ROOT = Path(__file__).resolve().parents[2]
BACKENDS: tuple[Backend, ...] = ("hotcoco", "pycocotools")


def made_up(dataset: CocoDataset, seed: int = 0) -> DetectionResults:
    """Objects found up to three times and displaced, crowds too; wrong classes; inventions; few
    distinct scores.

    A tenth of the images have no detection, and one has 150 of one class.
    """
    random = np.random.default_rng(seed)
    rows = random.permutation(np.repeat(np.arange(len(dataset.boxes)), 3))[: 2 * len(dataset.boxes)]
    owners = np.repeat(dataset.image_ids, np.diff(dataset.first))[rows]
    boxes = dataset.boxes[rows] + random.normal(0, 3, (len(rows), 4)) * random.integers(
        0, 2, (len(rows), 1)
    )
    labels = np.where(random.random(len(rows)) < 0.1, 0, dataset.labels[rows])
    many = random.uniform(0, 200, (150, 4))
    invented = random.uniform(0, 200, (200, 4))
    owners = np.concatenate(
        (owners, np.full(150, owners[0]), random.choice(dataset.image_ids, 200))
    )
    boxes = np.concatenate((boxes, many, invented))
    labels = np.concatenate(
        (labels, np.full(150, labels[0]), random.integers(0, dataset.label_map.num_classes, 200))
    )
    scores = np.round(random.random(len(owners)), 1)  # ties, within images and between them
    keep = owners % 10 > 0
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 0.5)
    return DetectionResults(owners[keep], boxes[keep], scores[keep], labels[keep])


def directly(annotations: Path, results: Path) -> dict[str, float]:
    """Scores of two files as pycocotools gives them, with the files' own ids."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluator = COCOeval(truth, truth.loadRes(str(results)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    scores = {
        f"box/{name}": value for name, value in zip(SCORE_NAMES, evaluator.stats, strict=True)
    }
    for place, category in enumerate(evaluator.params.catIds):
        precision = evaluator.eval["precision"][:, :, place, 0, 2]
        defined = precision[precision > -1]
        scores[f"box/AP/{truth.cats[category]['name']}"] = defined.mean() if defined.size else -1.0
    return {name: math.nan if value == -1 else float(value) for name, value in scores.items()}


def small(tmp_path: Path, objects: list[dict[str, Any]], images: int = 2) -> CocoDataset:
    """A data set of two classes, with boxes given as (image, category, bbox) and more."""
    content = {
        "images": [
            {"id": 10 * n, "file_name": f"{n}.png", "height": 300, "width": 300}
            for n in range(1, images + 1)
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [
            {"id": number, "iscrowd": 0, **entry} for number, entry in enumerate(objects)
        ],
    }
    (tmp_path / "gt.json").write_text(json.dumps(content))
    return read_coco(tmp_path / "gt.json")


def box_of(image: int, x: float, side: float, **more: Any) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": 3,
        "bbox": [x, 10, side, side],
        "area": side * side,
        **more,
    }


def results_of(*rows: tuple[int, float, float, float]) -> DetectionResults:
    """Cats given as (internal image id, x, side, score)."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    boxes = np.stack((table[:, 1], np.full(len(table), 10.0), table[:, 2], table[:, 2]), axis=1)
    return DetectionResults(
        table[:, 0].astype(np.int64), boxes, table[:, 3], np.zeros(len(table), np.int64)
    )


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_scores_equal_pycocotools_called_directly(
    coco200: Path, tmp_path: Path, split: str, backend: Backend
) -> None:
    annotations = coco200 / "annotations" / f"instances_{split}.json"
    dataset = read_coco(annotations)
    assert dataset.crowd.any()
    results = made_up(dataset)
    write_results_json(tmp_path / "results.json", dataset, results)
    expected = directly(annotations, tmp_path / "results.json")
    assert {math.isnan(value) for value in expected.values()} == {
        True,
        False,
    }  # some classes have no ground truth
    scores = score_boxes(dataset, results, backend)
    assert list(scores) == list(expected)
    differing = {
        name: (scores[name], value)
        for name, value in expected.items()
        if not np.array_equal(scores[name], value, equal_nan=True)
    }
    assert differing == {}


def test_a_results_file_is_scored_as_pycocotools_scores_it(coco200: Path, tmp_path: Path) -> None:
    annotations = coco200 / "annotations" / "instances_val.json"
    dataset = read_coco(annotations)
    write_results_json(tmp_path / "results.json", dataset, made_up(dataset, seed=1))
    report = evaluate_results(tmp_path / "results.json", annotations)
    np.testing.assert_equal(report.scores, directly(annotations, tmp_path / "results.json"))
    written = json.loads((tmp_path / "evaluation.json").read_text())
    numbers = {
        name: math.nan if value is None else value for name, value in written["scores"].items()
    }
    np.testing.assert_equal(numbers, report.scores)
    assert (written["images"], written["crowds"], written["max_detections"]) == (
        100,
        5,
        [1, 10, 100],
    )


def test_ground_truth_as_detections_scores_one_although_there_are_crowds(coco200: Path) -> None:
    dataset = read_coco(coco200 / "annotations" / "instances_val.json")
    own = ~dataset.crowd
    owners = np.repeat(dataset.image_ids, np.diff(dataset.first))
    results = DetectionResults(
        owners[own], dataset.boxes[own], np.ones(own.sum()), dataset.labels[own]
    )
    scores = final_scores(dataset, results)
    assert {
        scores[f"box/{name}"] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    } == {1.0}


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_of_two_objects_found_is_51_of_101_recalls(tmp_path: Path, backend: Backend) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 50), box_of(10, 100, 50)])
    scores = score_boxes(dataset, results_of((1, 10, 50, 0.9), (1, 200, 50, 0.8)), backend)
    assert scores["box/AP"] == pytest.approx(
        51 / 101
    )  # precision is 1 at recalls 0.00 … 0.50, then 0
    assert scores["box/AR100"] == 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_detections_score_zero_where_there_is_ground_truth_and_nan_elsewhere(
    tmp_path: Path, backend: Backend
) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 20)])  # one small cat
    scores = score_boxes(dataset, DetectionResults.empty(), backend)
    zero = {"AP", "AP50", "AP75", "APs", "AR1", "AR10", "AR100", "ARs", "AP/cat"}
    assert {name.removeprefix("box/") for name, value in scores.items() if value == 0} == zero
    assert all(
        math.isnan(value) for name, value in scores.items() if name.removeprefix("box/") not in zero
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_any_ground_truth_every_score_is_nan(tmp_path: Path, backend: Backend) -> None:
    scores = score_boxes(small(tmp_path, []), results_of((1, 10, 50, 0.9)), backend)
    assert len(scores) == 14
    assert all(math.isnan(value) for value in scores.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_detection_in_an_image_without_annotations_counts_against(
    tmp_path: Path, backend: Backend
) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 50)])
    scores = score_boxes(dataset, results_of((2, 10, 50, 0.9), (1, 10, 50, 0.8)), backend)
    assert scores["box/AP"] == pytest.approx(0.5)  # the better half of the detections is wrong


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_detection_in_a_crowd_does_not_count(tmp_path: Path, backend: Backend) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 50), box_of(10, 100, 150, iscrowd=1)])
    scores = score_boxes(dataset, results_of((1, 120, 50, 0.9), (1, 10, 50, 0.8)), backend)
    assert scores["box/AP"] == pytest.approx(1)


def test_engines_that_disagree_are_both_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 50)])
    twelve, precision = instances.run_pycocotools(dataset, DetectionResults.empty())
    monkeypatch.setattr(instances, "run_pycocotools", lambda *_: ([0.25, *twelve[1:]], precision))
    with pytest.raises(RuntimeError, match=r"box/AP: hotcoco 0\.0, pycocotools 0\.25"):
        final_scores(dataset, DetectionResults.empty())


def test_the_table_is_times_100_with_na_and_names_classes_without_ground_truth(
    tmp_path: Path,
) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 20)])
    table = format_table(score_boxes(dataset, results_of((1, 10, 20, 0.9))))
    assert [line.split() for line in table.splitlines()[1:3]] == [
        ["AP", "AP50", "AP75", "APs", "APm", "APl"],
        ["100.0", "100.0", "100.0", "100.0", "n/a", "n/a"],
    ]
    assert table.splitlines()[-2:] == ["  cat  100.0", "no ground truth (n/a): dog"]


def test_many_classes_without_ground_truth_are_counted() -> None:
    names = [f"box/{name}" for name in SCORE_NAMES] + [
        f"box/AP/class {number}" for number in range(60)
    ]
    last = format_table(dict.fromkeys(names, math.nan)).splitlines()[-1]
    assert last.startswith("no ground truth (n/a): class 0, class 1, ")
    assert last.endswith("class 9, … (60 in all)")


def test_a_results_file_is_scored_without_importing_torch(tmp_path: Path) -> None:
    dataset = small(tmp_path, [box_of(10, 10, 20)])
    write_results_json(tmp_path / "results.json", dataset, results_of((1, 10, 20, 0.9)))
    command = [
        sys.executable,
        "-X",
        "importtime",
        "tools/eval_det.py",
        "--results",
        str(tmp_path / "results.json"),
    ]
    command += [
        "--annotations",
        str(tmp_path / "gt.json"),
        "--out",
        str(tmp_path / "new" / "folder"),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "n/a" in answer.stdout
    assert (tmp_path / "new" / "folder" / "evaluation.json").is_file()
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "numpy" in imported
    assert "torch" not in imported


def test_the_tool_asks_for_annotations_beside_results() -> None:
    command = [sys.executable, "tools/eval_det.py", "--results", "results.json"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 2
    assert "--results and --annotations go together" in answer.stderr


@pytest.fixture
def seeds(tmp_path: Path) -> tuple[Path, Path]:
    """150 objects of a class in an image, found perfectly: results and annotations."""
    boxes = [[3.0 * (number % 50), 9.0 * (number // 50), 2.0, 8.0] for number in range(150)]
    plain = {"image_id": 1, "category_id": 1, "area": 16.0, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 60, "width": 200}],
        "categories": [{"id": 1, "name": "seed"}],
        "annotations": [{**plain, "id": i, "bbox": box} for i, box in enumerate(boxes)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    found = [{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9} for box in boxes]
    (tmp_path / "found.json").write_text(json.dumps(found))
    return tmp_path / "found.json", tmp_path / "truth.json"


def test_more_objects_than_are_scored_is_said_in_the_table(seeds: tuple[Path, Path]) -> None:
    """field_faults 16: with 100 of 150 objects found, precision is 1 up to recall 2/3."""
    sheet = evaluate_results(*seeds)
    assert sheet.scores["box/AP"] == pytest.approx(67 / 101)
    said = "1 times an image holds more objects of a class (at most 150 of 'seed' in a.jpg)"
    assert said in str(sheet)
    assert "more than 66.7 % of the objects" in str(sheet)
    assert "1 times an image holds more objects" in (seeds[0].parent / "report.html").read_text()


def test_more_detections_are_scored_where_it_is_asked_for(seeds: tuple[Path, Path]) -> None:
    sheet = evaluate_results(*seeds, limit=200)
    assert (sheet.scores["box/AP"], sheet.scores["box/AR10"]) == (1, pytest.approx(10 / 150))
    assert sheet.metadata["max_detections"] == [1, 10, 200]
    assert "AR200" in str(sheet)
    assert "AR200" in remake_report(seeds[0].parent).read_text()
    assert "holds more objects" not in str(sheet)
