"""A run is used from another working folder than it was started in (field_faults 25)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from saved_detector import CLASSES, DATA, save_detector

from resnet_backbones.errors import UserError
from tasks.detection.evaluate import evaluate_checkpoint
from tasks.report.instances.build import remake_report
from tasks.report.instances.compare import compare_runs
from tasks.run_start import found_where_started


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with relative data and with a run, whose checkpoint names them; we are elsewhere."""
    folder = tmp_path / "started"
    data = folder / "data" / "shapes"
    sizes = {"height": 40, "width": 60}
    records = [{"id": i, "name": name} for i, name in enumerate(CLASSES.names)]
    annotation = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [5, 5, 20, 20], "area": 400}
    content = {
        "images": [{"id": 1, "file_name": "a.png", **sizes}],
        "categories": records,
        "annotations": [{**annotation, "iscrowd": 0}],
    }
    (data / "val").mkdir(parents=True)
    (data / "annotations").mkdir()
    (data / "annotations" / "instances_val.json").write_text(json.dumps(content))
    Image.new("RGB", (60, 40)).save(data / "val" / "a.png")
    save_detector(folder / "run", data=replace(DATA, root="data/shapes"))
    (folder / "run" / "environment.json").write_text(json.dumps([{"folder": str(folder)}]))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def test_an_evaluation_finds_the_data_where_the_run_was_started(started: Path) -> None:
    sheet = evaluate_checkpoint(started / "run", ["run.device=cpu"])
    assert sheet is not None
    root = started / "data" / "shapes"
    assert sheet.metadata["overrides"] == [f'data.root="{root}"', "run.device=cpu"]
    said = json.loads((started / "run" / "evaluation" / "evaluation.json").read_text())
    assert said["annotations"] == str(root / "annotations" / "instances_val.json")


@pytest.fixture
def of_old(started: Path) -> Path:
    """The run's evaluation as earlier versions left it: with relative paths."""
    evaluate_checkpoint(started / "run", ["run.device=cpu"])
    file = started / "run" / "evaluation" / "evaluation.json"
    file.write_text(file.read_text().replace(f"{started}/", ""))
    return file.parent


def test_reports_and_comparisons_find_it_too(of_old: Path) -> None:
    assert remake_report(of_old).is_file()
    assert compare_runs(of_old, of_old).dataset.path.is_absolute()


def test_data_that_moved_are_asked_for_with_the_command_to_type(of_old: Path) -> None:
    shutil.rmtree(of_old.parents[1] / "data")
    with pytest.raises(
        UserError, match=r"score it again: backbones eval .* data\.val\.annotations"
    ):
        remake_report(of_old)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"folder": 3}]', "[[]]"])
def test_a_damaged_environment_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    assert found_where_started("data/nowhere", tmp_path) is None
