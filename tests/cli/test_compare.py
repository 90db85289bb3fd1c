"""`backbones compare` with several runs."""

from pathlib import Path

import pytest
from command_line import Commands
from labelled import ROAD, labels
from recorded import CLASSIFICATION, write_run

from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results
from tasks.scoring.semantic_results import SemanticTally


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three detectors by paths from the working folder."""
    monkeypatch.chdir(tmp_path)
    names = []
    for name, ap in (("a", 0.25), ("b", 0.5), ("c", 0.4)):
        write_run(tmp_path / "runs" / name, scores={"box/AP": ap}, optim={"lr": ap})
        names.append(f"runs/{name}")
    return names


def test_three_runs_are_a_table_the_best_first(runs: list[str], commands: Commands) -> None:
    answer = commands("compare", *runs)
    assert answer.status == 0
    lines = answer.output.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["b", "50.0*"],
        ["c", "40.0"],
        ["a", "25.0"],
    ]
    assert "  optim.lr: 0.5 in b; 0.4 in c; 0.25 in a" in lines


def test_settings_of_the_present_form_are_compared(runs: list[str], commands: Commands) -> None:
    """Each has all settings, though its file names one."""
    assert "optim.momentum" not in commands("compare", *runs).output


def test_a_page_is_written_and_written_again(runs: list[str], commands: Commands) -> None:
    for _ in range(2):
        answer = commands("compare", *runs, "--html", "compare.html")
        assert answer.output.splitlines()[-1] == "written: compare.html"
    assert "<h1>3 detection runs</h1>" in Path("compare.html").read_text()


def test_a_file_of_the_user_is_kept(runs: list[str], commands: Commands) -> None:
    Path("mine.html").write_text("mine")
    answer = commands("compare", *runs, "--html", "mine.html")
    assert answer.status == 2
    assert Path("mine.html").read_text() == "mine"


def test_runs_of_different_tasks_are_refused(runs: list[str], commands: Commands) -> None:
    write_run(Path("runs/d"), about=CLASSIFICATION)
    answer = commands("compare", *runs, "runs/d")
    seen = "runs/a is of detection, runs/d of classification"
    expected = (
        f"error: runs must be of the same task to be compared, but {seen}; leave others out\n"
    )
    assert (answer.status, answer.error) == (2, expected)


def test_one_run_is_refused(runs: list[str], commands: Commands) -> None:
    answer = commands("compare", runs[0])
    assert answer.status == 2
    assert "a comparison needs at least two runs" in answer.error


def test_what_is_no_run_among_several_is_left_out(runs: list[str], commands: Commands) -> None:
    Path("runs/notes.txt").write_text("")
    answer = commands("compare", *runs, "runs/notes.txt")
    assert answer.output.splitlines()[0] == "left out, as no run is there: runs/notes.txt"
    assert answer.status == 0


def test_two_runs_keep_their_paired_comparison_and_may_have_a_page(
    tmp_path: Path, commands: Commands
) -> None:
    for name, guess, score in (("a", "0111", 0.5), ("b", "0011", 1.0)):
        tally = SemanticTally(4)
        tally.add(1, labels("0011"), labels(guess))
        (tmp_path / name).mkdir()
        about = {"task": "segmentation", "data": "masks"}
        write_evaluation(tmp_path / name / "evaluation.json", {"seg/mIoU": score}, about)
        write_results(tmp_path / name, tally.results(), ROAD, lambda index: f"{index}.jpg")
    page = tmp_path / "compare.html"
    answer = commands("compare", tmp_path / "a", tmp_path / "b", "--html", page)
    assert "95 % intervals of b - a over images" in answer.output
    assert answer.output.splitlines()[-1] == f"written: {page}"
    assert "<b>100.0</b>" in page.read_text()
