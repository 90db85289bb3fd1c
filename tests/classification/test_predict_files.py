"""Classes of image files, as the command writes them."""

import csv
import json
from pathlib import Path

import pytest

from tasks.classification.predict import load_classifier
from tasks.classification.predict_files import predict_files


def test_csv_and_json_name_the_classes_of_every_file(
    trained: Path, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier = load_classifier(trained, precision="fp32")
    assert predict_files(classifier, [folders / "val"], tmp_path) == ()
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [Path(row["file"]).parent.name for row in rows] == ["blue"] * 4 + ["green"] * 4 + [
        "red"
    ] * 4
    assert [row["classes"][0]["name"] for row in rows] == ["blue"] * 4 + ["green"] * 4 + ["red"] * 4
    with (tmp_path / "predictions.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["class1"] for line in table] == [row["classes"][0]["name"] for row in rows]
    total = sum(float(table[0][f"probability{rank}"]) for rank in (1, 2, 3))
    assert total == pytest.approx(1.0, abs=1e-5)
    assert f"{folders}/val/blue/000.png: blue " in capsys.readouterr().out


def test_unlikely_classes_can_be_left_out(trained: Path, folders: Path, tmp_path: Path) -> None:
    classifier = load_classifier(trained, precision="fp32")
    predict_files(classifier, [folders / "val" / "red"], tmp_path, score=0.5)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert all(len(row["classes"]) == 1 for row in rows)


def test_an_unreadable_file_is_named_and_left_out(
    trained: Path, folders: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    classifier = load_classifier(trained, precision="fp32")
    sources = [bad, folders / "val" / "red" / "000.png"]
    (problem,) = predict_files(classifier, sources, tmp_path / "found")
    assert str(bad) in problem
    assert len(json.loads((tmp_path / "found" / "predictions.json").read_text())) == 1
