"""The tools around a trained detector give the very numbers that training gave."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import FinishedRun, Tools, table
from PIL import Image

from tasks.detection.predict import load_detector


def scores(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "evaluation.json").read_text())["scores"]
    return found


def test_the_final_checkpoint_scores_what_training_printed(
    finished_run: FinishedRun, tools: Tools, tmp_path: Path
) -> None:
    answer = tools("tools/eval_det.py", finished_run.folder / "last.pt", "--out", tmp_path)
    assert answer.status == 0, answer.error
    assert table(answer.output) == table(finished_run.printed)
    assert scores(tmp_path) == scores(finished_run.folder)
    assert scores(tmp_path)["box/AR100"] > 0
    detections = [
        (folder / "detections.json").read_bytes() for folder in (tmp_path, finished_run.folder)
    ]
    assert detections[0] == detections[1]


def test_a_checkpoint_is_scored_on_another_data_set(
    finished_run: FinishedRun, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    other = [
        f"data.val.images={shapes / 'train'}",
        f"data.val.annotations={shapes}/annotations/instances_train.json",
    ]
    answer = tools("tools/eval_det.py", finished_run.folder, *other, "--out", tmp_path)
    assert answer.status == 0, answer.error
    about = json.loads((tmp_path / "evaluation.json").read_text())
    assert (about["images"], about["checkpoint"]) == (24, str(finished_run.folder / "best.pt"))


def test_the_results_file_scores_the_same_without_the_detector(
    finished_run: FinishedRun, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    files = (
        "--results",
        finished_run.folder / "detections.json",
        "--annotations",
        shapes / "annotations/instances_val.json",
    )
    answer = tools("tools/eval_det.py", *files, "--out", tmp_path)
    assert answer.status == 0, answer.error
    assert table(answer.output) == table(finished_run.printed)
    trained = scores(finished_run.folder)
    assert scores(tmp_path) == {
        name: value for name, value in trained.items() if name.startswith("box/")
    }


def test_predictions_of_a_folder_are_the_evaluated_detections(
    finished_run: FinishedRun, tools: Tools, shapes: Path, tmp_path: Path
) -> None:
    detector = finished_run.folder / "last.pt"
    arguments = (
        detector,
        shapes / "val",
        "--out",
        tmp_path,
        "--score",
        "0.02",
        "--precision",
        "fp32",
    )
    answer = tools("tools/predict.py", *arguments)
    assert answer.status == 0, answer.error
    names = sorted(path.name for path in (shapes / "val").iterdir())
    pictures = [
        Image.open(tmp_path / f"{name.removesuffix('.jpg')}_detections.jpg") for name in names
    ]
    assert [picture.size for picture in pictures] == [
        Image.open(shapes / "val" / name).size for name in names
    ]
    found = json.loads((tmp_path / "predictions.json").read_text())
    files = {image["id"]: Path(image["file_name"]).name for image in found["images"]}
    truth = json.loads((shapes / "annotations" / "instances_val.json").read_text())
    known = {image["id"]: image["file_name"] for image in truth["images"]}
    evaluated = json.loads((finished_run.folder / "detections.json").read_text())
    expected = by_image([record for record in evaluated if record["score"] >= 0.02], known)
    got = by_image(found["annotations"], files)
    assert got.keys() == expected.keys()
    for name, records in expected.items():
        assert [record["category_id"] for record in got[name]] == [
            record["category_id"] for record in records
        ]
        for field in ("score", "bbox"):
            assert np.allclose(
                [record[field] for record in got[name]],
                [record[field] for record in records],
                atol=1e-3,
            )


def by_image(
    records: list[dict[str, Any]], files: dict[int, str]
) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        grouped.setdefault(files[record["image_id"]], []).append(record)
    return grouped


def test_the_detector_in_python_takes_a_path_a_picture_or_an_array(
    finished_run: FinishedRun, shapes: Path
) -> None:
    detector = load_detector(finished_run.folder, "cpu", "fp32")
    path = next((shapes / "val").iterdir())
    picture = Image.open(path)
    one = detector(path)
    many = detector([str(path), picture, np.asarray(picture)])
    assert len(one) > 0
    assert one.boxes.min() >= 0
    assert (one.boxes <= [*picture.size, *picture.size]).all()
    for found in many:
        assert np.allclose(found.boxes, one.boxes, atol=1e-3)
        assert found.names == one.names


@pytest.mark.parametrize("tool", ["tools/eval_det.py", "tools/predict.py"])
def test_a_checkpoint_that_is_not_there_is_refused(tool: str, tools: Tools, tmp_path: Path) -> None:
    more = (tmp_path, "--out", tmp_path) if "predict" in tool else ()
    answer = tools(tool, tmp_path / "nowhere.pt", *more)
    assert answer.status == 2
    assert "a checkpoint must exist, got" in answer.error
