"""No command overwrites a file that it did not write (fault_campaign 7, field_faults 14 and 24)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Commands
from noise_data import picture
from PIL import Image

from tasks.outputs import LIST

ROOT = Path(__file__).resolve().parents[2]
FROZEN = ROOT / "tests/frozen/0.1.0"
XML = """<annotation><filename>11.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin>
<ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"""
LABELME = {
    "imagePath": "a.jpg",
    "imageHeight": 40,
    "imageWidth": 60,
    "shapes": [{"label": "cat", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}],
}
TRUTH = {
    "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
    "categories": [{"id": 1, "name": "circle"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    ],
}
FOUND = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user, in which commands are typed."""
    folder = tmp_path / "home"
    for below in ("V/JPEGImages", "V/Annotations", "photos", "L"):
        (folder / below).mkdir(parents=True)
    image = Image.fromarray(picture(40, 60))
    for name in ("a.jpg", "V/JPEGImages/11.jpg", "photos/b.jpg", "L/a.jpg", "a_detections.jpg"):
        image.save(folder / name)
    (folder / "V/Annotations/11.xml").write_text(XML)
    (folder / "b.csv").write_text("file,label,x1,y1,x2,y2\na.jpg,cat,1,1,9,9\n")
    (folder / "gt.json").write_text(json.dumps(TRUTH))
    (folder / "L/a.json").write_text(json.dumps(LABELME))
    for name in ("r/evaluation.json", "s/report.html", "t/mine.json", "u/detections.json"):
        (folder / name).parent.mkdir()
        (folder / name).write_text(json.dumps(FOUND))
    (folder / "t/evaluation.json").write_text(json.dumps(TRUTH))
    (folder / "u/report.html").write_text("my notes")
    (folder / "predictions.json").write_text("mine")
    (folder / "out.json").write_text("mine")
    monkeypatch.chdir(folder)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


READ_TOO = {
    "convert csv b.csv b.csv": "b.csv",
    "convert voc V V/JPEGImages/11.jpg": "11.jpg",
    "convert voc V V/Annotations/11.xml": "11.xml",
    "convert labelme L L/a.json": "a.json",
    "convert labelme L L/a.jpg": "a.jpg",
    "check . gt.json --html gt.json": "gt.json",
    "check . gt.json --html a.jpg": "a.jpg",
    "check . gt.json --fix gt.json": "gt.json",
    "eval --results r/evaluation.json --annotations gt.json": "evaluation.json",
    "eval --results s/report.html --annotations gt.json": "report.html",
    "eval --results t/mine.json --annotations t/evaluation.json": "evaluation.json",
    "predict ours:shapes a.jpg a_detections.jpg --out .": "a_detections.jpg",
    "predict ours:shapes photos --out photos": "photos",
}
"""Commands that would write to a file that they read, and its name."""
THE_USERS = {
    "convert csv b.csv out.json": "out.json",
    "convert voc V out.json": "out.json",
    "check . gt.json --fix out.json": "out.json",
    "check . gt.json --html s/report.html": "report.html",
    "eval --results t/mine.json --annotations gt.json": "evaluation.json",
    "eval --results u/detections.json --annotations gt.json": "report.html",
    "predict ours:shapes a.jpg --out . --device cpu": "a_detections.jpg",
    "predict ours:shapes photos/b.jpg --out . --device cpu": "predictions.json",
}
"""Commands that would write to a file that is there, and its name."""


@pytest.mark.parametrize("line", [*READ_TOO, *THE_USERS])
def test_a_file_of_the_user_is_kept(commands: Commands, home: Path, line: str) -> None:
    before = files_in(home)
    answer = commands(*line.split())
    assert answer.status == 2
    assert answer.error.startswith("error: ")
    assert {**READ_TOO, **THE_USERS}[line] in answer.error
    assert files_in(home) == before


@pytest.mark.parametrize("line", READ_TOO)
def test_a_file_that_is_read_is_kept_with_force_too(
    commands: Commands, home: Path, line: str
) -> None:
    before = files_in(home)
    assert commands(*line.split(), "--force").status == 2
    assert files_in(home) == before


@pytest.mark.parametrize("line", THE_USERS)
def test_force_replaces_and_then_the_file_is_the_commands(
    commands: Commands, home: Path, line: str
) -> None:
    before = files_in(home)
    assert commands(*line.split(), "--force").status in (0, 1)  # a check finds errors
    assert files_in(home) != before
    assert commands(*line.split()).status in (0, 1)


def test_a_file_of_ours_that_was_edited_is_the_users(commands: Commands, home: Path) -> None:
    words = ("convert", "csv", "b.csv", "new.json")
    assert commands(*words).status == 0
    assert commands(*words).status == 0
    text = (home / "new.json").read_text()
    (home / "new.json").write_text(text.replace("cat", "dog"))
    answer = commands(*words)
    assert answer.status == 2
    assert answer.error == (
        "error: new.json must be unused, or unchanged since this command wrote it, but it was not"
        " written by this command; choose another place, or --force replaces it\n"
    )


def test_a_copied_folder_keeps_its_owner(commands: Commands, home: Path) -> None:
    words = ("eval", "--annotations", "gt.json", "--results")
    (home / "one").mkdir()
    shutil.copy(home / "t/mine.json", home / "one/mine.json")
    assert commands(*words, "one/mine.json").status == 0
    shutil.copytree(home / "one", home / "two", copy_function=shutil.copyfile)
    assert commands(*words, "two/mine.json").status == 0


def test_what_another_command_wrote_is_kept(commands: Commands, home: Path) -> None:
    assert commands("convert", "csv", "b.csv", "new.json").status == 0
    answer = commands("check", ".", "gt.json", "--fix", "new.json")
    assert answer.status == 2
    assert "since this command wrote it, but it was written by `convert`" in (answer.error)


def test_pictures_of_another_score_are_kept(commands: Commands, home: Path) -> None:
    words = ("predict", "ours:shapes", "photos", "--out", "found", "--device=cpu")
    assert commands(*words, "--score=0.5").status == 0
    before = files_in(home / "found")
    answer = commands(*words, "--score=0.9")
    assert answer.status == 2
    assert "found/b_detections.jpg is to be made with " in answer.error
    assert "--score 0.9, but exists already, made with " in answer.error
    assert files_in(home / "found") == before
    assert commands(*words, "--score=0.9", "--force").status == 0


def test_a_run_from_before_there_were_lists_is_reported_again(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    run = tmp_path / "run"
    shutil.copytree(FROZEN / "run", run)
    for name in ("evaluation.json", "detections.json", "report.html"):
        (run / name).write_text("{}")
    data = ("data.root=tests/frozen/0.1.0/data", "run.device=cpu")
    assert commands("eval", run, *data, "--out", run).status == 0
    assert commands("report", run).status == 0
    assert not (run / "report.html").read_text().startswith("{}")


def test_a_link_is_replaced_and_not_what_it_points_to(commands: Commands, home: Path) -> None:
    (home / "link.json").symlink_to("out.json")
    assert commands("convert", "csv", "b.csv", "link.json").status == 2
    assert commands("convert", "csv", "b.csv", "link.json", "--force").status == 0
    assert (home / "out.json").read_text() == "mine"


def test_a_device_is_no_file(commands: Commands, home: Path) -> None:
    answer = commands("convert", "csv", "b.csv", "/dev/null", "--force")
    assert answer.status == 2
    assert "/dev/null must be a file to write, but it is a broken link or a device" in answer.error


def test_the_list_says_what_was_written(commands: Commands, home: Path) -> None:
    assert commands("convert", "csv", "b.csv", "new.json").status == 0
    entries = [json.loads(line) for line in (home / LIST).read_text().splitlines()]
    assert [(entry["name"], entry["by"]) for entry in entries] == [("new.json", "convert")]


def test_weights_are_not_written_over_others(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "in.safetensors"
    shutil.copy(FROZEN / "weights/resnet18.safetensors", weights)
    (tmp_path / "out.pth").write_text("mine")
    for target in (weights, tmp_path / "out.pth"):
        before = target.read_bytes()
        assert commands("convert-weights", weights, target, "--to", "timm").status == 2
        assert target.read_bytes() == before
    assert commands("convert-weights", weights, weights, "--to", "timm", "--force").status == 2


def test_tilde_is_the_home_folder_in_every_option(
    commands: Commands, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))  # field_faults 10
    assert commands("convert", "csv", "~/b.csv", "~/new.json").status == 0
    assert commands("check", "~/", "~/gt.json", "--html=~/page.html").status in (0, 1)
    words = ("predict", "ours:shapes", "~/photos", "--out=~/found", "--device=cpu")
    assert commands(*words).status == 0
    made = ("new.json", "page.html", "found/b_detections.jpg")
    assert [name for name in made if (home / name).is_file()] == list(made)
    assert not (home / "~").exists()
