"""The table over three small runs, and what is best in it."""

from pathlib import Path

import pytest
from recorded import CLASSIFICATION, DETECTION, write_run

from resnet_backbones.errors import UserError
from tasks.report.several.compare import Several, choose_runs, compare_several
from tasks.report.several.table import run_names

SCORES = ("box/AP", "box/AP50", "box/AP75", "box/APs")


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """One has the best AP, other the best AP50, and fresh has only begun."""

    def run(name: str, lr: float, scores: dict[str, float] | None, steps: int) -> Path:
        rows = [{"step": steps, "loss": 1.0, "images_per_s": 10.0}]
        return write_run(
            tmp_path / name,
            rows=rows,
            scores=scores,
            model={"backbone": "resnet18"},
            data={"batch_size": 2},
            optim={"lr": lr},
            schedule={"steps": 400},
        )

    return [
        run("fresh", 0.1, None, 60),
        run("one", 0.1, {"box/AP": 0.5, "box/AP50": 0.7}, 400),
        run("other", 0.2, {"box/AP": 0.4, "box/AP50": 0.8}, 400),
    ]


def compared(folders: list[Path]) -> Several:
    return compare_several("detection", folders, SCORES)


def test_the_table_has_a_row_a_run_and_marks_the_best(folders: list[Path]) -> None:
    assert str(compared(folders)).splitlines()[:4] == [
        "run      AP   AP50   model     recipe          steps  images/s  time",
        "one    50.0*  70.0   resnet18  quickstart        400      10.0  80 s",
        "other  40.0   80.0*  resnet18  quickstart        400      10.0  80 s",
        "fresh     -      -   resnet18  quickstart  60 of 400      10.0  12 s",
    ]


def test_settings_that_differ_are_listed_with_their_runs(folders: list[Path]) -> None:
    lines = str(compared(folders)).splitlines()
    assert lines[-2:] == [
        "settings that differ",
        "  optim.lr: 0.2 in other; 0.1 in one, fresh",
    ]


def test_many_runs_with_the_usual_value_are_counted(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"r{seed}", optim={"lr": 0.1 + (seed == 2)}) for seed in range(4)]
    assert str(compared(runs)).splitlines()[-1] == "  optim.lr: 1.1 in r2; 0.1 in the other 3"


def test_equal_runs_have_no_best_and_no_differences(folders: list[Path]) -> None:
    text = str(compared([folders[1]] * 3))
    assert "*" not in text
    assert text.splitlines()[-1] == "  none"


def test_runs_scored_on_different_data_have_no_best(folders: list[Path], tmp_path: Path) -> None:
    more = {**DETECTION, "images": 100}
    text = str(compared([*folders, write_run(tmp_path / "x", scores={"box/AP": 0.9}, about=more)]))
    assert "*" not in text
    sets = "x on annotations/val.json (100 images); one, other on annotations/val.json (12 images)"
    assert f"scored on different data, so that none is marked as best: {sets}" in text


def test_runs_without_any_score_have_dashes(folders: list[Path]) -> None:
    lines = str(compared([folders[0]])).splitlines()
    assert lines[:2] == [
        "run    AP  model     recipe          steps  images/s  time",
        "fresh   -  resnet18  quickstart  60 of 400      10.0  12 s",
    ]


def test_a_classifier_is_ranked_by_top_1(tmp_path: Path) -> None:
    names = ("val/top1", "val/mean_class")
    runs = []
    for name, top1 in (("a", 0.7), ("b", 0.9), ("c", 0.8)):
        scores = dict(zip(names, (top1, 0.5), strict=True))
        runs.append(write_run(tmp_path / name, scores=scores, about=CLASSIFICATION))
    lines = str(compare_several("classification", runs, names)).splitlines()
    assert lines[0].startswith("run  top 1   mean over classes")
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["b", "90.0*"],
        ["c", "80.0"],
        ["a", "70.0"],
    ]


def test_what_is_no_run_is_left_out_and_told(folders: list[Path], tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("")
    runs, left_out = choose_runs([*folders, notes, tmp_path / "missing"])
    several = compare_several("detection", runs, SCORES, left_out=left_out)
    missing = tmp_path / "missing"
    told = f"left out, as no run is there: {notes}, {missing}"
    assert str(several).splitlines()[0] == told


def test_nothing_but_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs the folders of runs.* found none in .*missing"):
        choose_runs([tmp_path / "missing", tmp_path])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["x/a", "y/a"], ["x/a", "y/a"]),
        (["x/a/evaluation", "x/b/evaluation"], ["a/evaluation", "b/evaluation"]),
        (["runs/a", "runs/a"], ["a", "a"]),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(paths: list[str], names: list[str]) -> None:
    assert run_names([Path(path) for path in paths]) == names
