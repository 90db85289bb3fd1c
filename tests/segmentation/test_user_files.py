"""No command for segmenters overwrites a file that it did not write (fault_campaign 7)."""

import shutil
from pathlib import Path

import pytest
from command_line import Commands


@pytest.fixture
def image(masks: Path, tmp_path: Path) -> Path:
    source = next((masks / "val" / "images").iterdir())
    return Path(shutil.copy(source, tmp_path / "street.png"))


@pytest.mark.parametrize("name", ["street_overlay.jpg", "street_labels.png", "classes.json"])
def test_a_prediction_keeps_files_of_the_user(
    commands: Commands, trained: Path, image: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    words = ("predict", trained, image, "--out", tmp_path, "--device", "cpu")
    answer = commands(*words)
    assert answer.status == 2
    assert f"{tmp_path / name} must be unused" in answer.error
    assert {path.name for path in tmp_path.iterdir()} == {name, image.name}
    assert (tmp_path / name).read_text() == "mine"
    assert commands(*words, "--force").status == 0
    assert commands(*words).status == 0


@pytest.mark.parametrize("name", ["pixels.npz", "evaluation.json", "report.html"])
def test_an_evaluation_keeps_files_of_the_user(
    commands: Commands, trained: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    answer = commands("eval", trained, "--out", tmp_path)
    assert answer.status == 2
    assert f"{tmp_path / name} must be unused" in answer.error
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_an_evaluation_replaces_its_own_and_says_so_of_other_settings(
    commands: Commands, trained: Path, tmp_path: Path
) -> None:
    words = ("eval", trained, "--out", tmp_path)
    assert commands(*words).status == 0
    again = commands(*words)
    assert again.status == 0
    assert "is replaced" not in again.output
    other = commands(*words, "test.flip=true")
    assert other.status == 0
    assert f"note: {tmp_path / 'evaluation.json'} of {trained}" in other.output
    assert "is replaced; --out FOLDER keeps both" in other.output
    assert commands("report", tmp_path).status == 0


def test_a_page_of_a_check_keeps_files_of_the_user(
    commands: Commands, masks: Path, tmp_path: Path
) -> None:
    mask = next((masks / "val" / "masks").iterdir())
    before = mask.read_bytes()
    for force in ((), ("--force",)):
        assert commands("check", masks, "data.labels=masks", "--html", mask, *force).status == 2
    assert mask.read_bytes() == before
