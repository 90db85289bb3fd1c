"""Two classifiers on the same images."""

from pathlib import Path

import pytest
from ranked import classes, first_of, made_up, numbered

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.report.classification.compare import compare_runs
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.predictions_file import write_results
from tasks.scoring.top_k import ClassResults, score_classes, scoring_facts

PETS = classes("cat", "dog", "owl")


def evaluated(
    folder: Path, results: ClassResults, label_map: LabelMap = PETS, prefix: str = ""
) -> Path:
    folder.mkdir()
    scores = {f"val/{name}": value for name, value in score_classes(results, label_map).items()}
    facts = scoring_facts("the data", None, results, label_map)
    write_evaluation(folder / "evaluation.json", scores, facts)
    write_results(folder / "predictions.csv", results, label_map, lambda i: f"{prefix}{i}.jpg")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Five cats and a dog: a has one right, which b has wrong, and b the others but one."""
    a = first_of((0, 0, 0.9), *[(0, 1, 0.5)] * 4, (1, 2, 0.5))
    b = first_of((0, 1, 0.8), *[(0, 0, 0.5)] * 3, (0, 2, 0.5), (1, 1, 0.6))
    return evaluated(tmp_path / "a", a), evaluated(tmp_path / "b", b)


def test_changes_and_their_p_value_by_hand(runs: tuple[Path, Path]) -> None:
    (top1,) = compare_runs(*runs).changes
    assert top1.gained.tolist() == [1, 2, 3, 5]
    assert top1.lost.tolist() == [0]
    assert top1.p_value == 2 * (1 + 5) / 32


def test_differences_by_hand(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(*runs)
    top1 = comparison.scores[0]
    assert (top1.name, top1.a, top1.b) == ("top1", 1 / 6, 4 / 6)
    assert [(row.name, row.a, row.b) for row in comparison.classes] == [
        ("dog", 0, 1),
        ("cat", 1 / 5, 3 / 5),
    ]


def test_the_text_shows_scores_and_changed_images(runs: tuple[Path, Path]) -> None:
    lines = str(compare_runs(*runs)).splitlines()
    assert "top1                 16.7    66.7   +50.0" in lines
    assert "top1: 4 images became right, 1 wrong; p = 0.38" in lines
    assert "  5.jpg: dog; owl -> dog" in lines
    assert "  0.jpg: cat; cat -> dog" in lines
    assert lines.index("  5.jpg: dog; owl -> dog") < lines.index("  1.jpg: cat; dog -> cat")


def test_a_run_compared_with_itself_differs_in_nothing(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(runs[0], runs[0])
    assert [row.gain for row in comparison.scores] == [0] * 3
    assert [change.p_value for change in comparison.changes] == [1]


def test_top_5_changes_where_there_are_more_classes(tmp_path: Path) -> None:
    a = evaluated(tmp_path / "a", made_up(200, 100, skill=1), numbered(100))
    b = evaluated(tmp_path / "b", made_up(200, 100, skill=3), numbered(100))
    top1, top5 = compare_runs(a, b).changes
    assert (top1.name, top5.name) == ("top1", "top5")
    assert top5.p_value < 1e-6
    assert not set(top5.gained) <= set(top1.gained)


def test_settings_that_differ_are_listed(runs: tuple[Path, Path]) -> None:
    for folder, rate in zip(runs, (0.1, 0.2), strict=True):
        (folder / "config.yaml").write_text(f"optim:\n  lr: {rate}\n")
    comparison = compare_runs(*runs)
    assert comparison.settings == (("optim.lr", "0.1", "0.2"),)
    assert "  optim.lr: 0.1 -> 0.2" in str(comparison)


SAME = first_of((0, 0, 0.9), (1, 1, 0.9))


@pytest.mark.parametrize(
    ("other", "label_map", "prefix", "told"),
    [
        (first_of((0, 0, 0.9)), PETS, "", "differ in the number of images"),
        (first_of((0, 0, 0.9), (0, 1, 0.9)), PETS, "", "differ in true classes of the images"),
        (SAME, classes("dog", "cat", "owl"), "", "differ in classes"),
        (SAME, PETS, "other/", "differ in file names"),
    ],
)
def test_runs_on_different_images_are_refused(
    tmp_path: Path, other: ClassResults, label_map: LabelMap, prefix: str, told: str
) -> None:
    a = evaluated(tmp_path / "a", SAME)
    b = evaluated(tmp_path / "b", other, label_map, prefix)
    with pytest.raises(UserError, match=f"must be scored on the same images, but .*{told}"):
        compare_runs(a, b)
