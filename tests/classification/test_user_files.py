"""No command for classifiers overwrites a file that it did not write (fault_campaign 7)."""

from pathlib import Path

import pytest
from command_line import Commands


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.json"])
def test_a_prediction_keeps_files_of_the_user(
    commands: Commands, trained: Path, folders: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    words = ("predict", trained, folders / "val", "--out", tmp_path, "--device", "cpu")
    answer = commands(*words)
    assert answer.status == 2
    assert f"{tmp_path / name} must be unused" in answer.error
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    assert commands(*words, "--force").status == 0
    assert commands(*words).status == 0
    assert commands(*words, "--score", "0.5").status == 2  # field_faults 24


def test_a_prediction_keeps_what_an_evaluation_wrote(
    commands: Commands, trained: Path, folders: Path, tmp_path: Path
) -> None:
    assert commands("eval", trained, "--out", tmp_path).status == 0
    before = (tmp_path / "predictions.csv").read_bytes()
    answer = commands("predict", trained, folders / "val", "--out", tmp_path, "--device", "cpu")
    assert answer.status == 2
    assert "but it was written by `eval`" in answer.error
    assert (tmp_path / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["predictions.csv", "evaluation.json", "report.html"])
def test_an_evaluation_keeps_files_of_the_user(
    commands: Commands, trained: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    answer = commands("eval", trained, "--out", tmp_path)
    assert answer.status == 2
    assert f"{tmp_path / name} must be unused" in answer.error
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_list_of_images_that_is_scored_is_not_replaced(
    commands: Commands, trained: Path, folders: Path, tmp_path: Path
) -> None:
    table = tmp_path / "predictions.csv"
    image = next((folders / "val" / "red").iterdir())
    table.write_text(f"file,class\n{image},red\n")
    before = table.read_bytes()
    words = ("eval", trained, f"data.val={table}", "--out", tmp_path, "--force")
    answer = commands(*words)
    assert answer.status == 2
    assert f"{table} must not be read and written by one command" in answer.error
    assert table.read_bytes() == before


def test_a_page_of_a_check_keeps_files_of_the_user(commands: Commands, folders: Path) -> None:
    image = next((folders / "val" / "red").iterdir())
    before = image.read_bytes()
    for force in ((), ("--force",)):
        assert commands("check", folders, "--html", image, *force).status == 2
    assert image.read_bytes() == before
