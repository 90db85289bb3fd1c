"""predictions.csv: what is written is read again to the bit, and what does not fit is named."""

import csv
from pathlib import Path

import numpy as np
import pytest
from ranked import classes, made_up, numbered

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.scoring.predictions_file import read_results, write_results
from tasks.scoring.top_k import ClassResults

ODD = classes('a, "b"', "c:d", "e/f", "zwei\nZeilen", "ü", " g ", "0.5")
PETS = classes("cat", "dog")


def file_name(index: int) -> str:
    return f"folder, {index}/ü.jpg"


@pytest.mark.parametrize("label_map", [ODD, numbered(2), numbered(1)])
def test_results_are_read_as_they_were_written(tmp_path: Path, label_map: LabelMap) -> None:
    results = made_up(50, label_map.num_classes)
    write_results(tmp_path / "p.csv", results, label_map, file_name)
    read, names = read_results(tmp_path / "p.csv", label_map)
    for name in ("image_ids", "labels", "ranked", "probabilities"):
        np.testing.assert_array_equal(getattr(read, name), getattr(results, name))
    assert names == tuple(file_name(index) for index in range(50))


def test_a_line_says_file_class_prediction_and_ranks(tmp_path: Path) -> None:
    results = ClassResults(
        np.array([1]), np.array([1]), np.array([[0, 1]]), np.array([[0.75, 0.1]], np.float32)
    )
    write_results(tmp_path / "p.csv", results, PETS, lambda index: f"{index}.jpg")
    with (tmp_path / "p.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["file", "class", "predicted", "confidence", "rank1", "rank2"],
            ["0.jpg", "dog", "cat", "0.75", "cat:0.75", "dog:0.1"],
        ]


def test_results_of_no_image_are_a_head_alone(tmp_path: Path) -> None:
    write_results(tmp_path / "p.csv", ClassResults.empty(), PETS, file_name)
    read, names = read_results(tmp_path / "p.csv", PETS)
    assert (len(read), names) == (0, ())


HEAD = "file,class,predicted,confidence,rank1\n"
GOOD = "a.jpg,cat,dog,0.5,dog:0.5\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must have the columns"),
        ("image,label\n", "first line of .* is 'image,label'"),
        ("file,class,predicted,confidence\n", "must have the columns"),
        (HEAD + GOOD + "b.jpg,cow,dog,0.5,dog:0.5\n", "got 'cow' in row 2"),
        (HEAD + "a.jpg,cat,dog,0.5,cow:0.5\n", "got 'cow' in row 1"),
        (HEAD + "a.jpg,cat,dog,0.5,dog:much\n", "in row 1 .*much"),
        (HEAD + "a.jpg,cat\n", "must have 5 values.* in row 1 it has 2 values"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=told):
        read_results(tmp_path / "p.csv", PETS)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(HEAD.encode() + b"\xff\xfe")
    with pytest.raises(UserError, match="must be a CSV file in UTF-8"):
        read_results(tmp_path / "p.csv", PETS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"p\.csv is missing"):
        read_results(tmp_path / "p.csv", PETS)
