"""Two segmenters on the same labels."""

from pathlib import Path

import pytest
from labelled import ROAD, blocks, labels, scored
from ranked import classes

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.report.segmentation.compare import compare_runs
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results
from tasks.scoring.resampling import draw_images
from tasks.scoring.semantic_results import SemanticResults, SemanticTally


def evaluated(
    folder: Path, results: SemanticResults, label_map: LabelMap = ROAD, prefix: str = ""
) -> Path:
    folder.mkdir()
    write_evaluation(folder / "evaluation.json", {}, {"data": "the masks"})
    write_results(folder, results, label_map, lambda index: f"{prefix}{index}.jpg")
    return folder


def tallied(*guesses: str, truth: str = "0011") -> SemanticResults:
    """Results of guesses at the same truth."""
    tally = SemanticTally(4)
    for image, guess in enumerate(guesses):
        tally.add(image + 1, labels(truth), labels(guess))
    return tally.results()


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Of three images b has the first better, the second worse and the third alike."""
    a = tallied("0111", "0011", "0011")
    b = tallied("0011", "1111", "0011")
    return evaluated(tmp_path / "a", a), evaluated(tmp_path / "b", b)


def test_differences_by_hand(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(*runs)
    miou = comparison.scores[0]
    assert (miou.name, miou.a) == ("mIoU", (5 / 6 + 6 / 7) / 2)
    assert miou.b == pytest.approx((4 / 6 + 6 / 8) / 2)
    assert [(row.name, row.a, row.b) for row in comparison.classes] == [
        ("road", 5 / 6, 4 / 6),
        ("tree", 6 / 7, 6 / 8),
    ]
    assert comparison.gains() == pytest.approx([1 - (1 / 2 + 2 / 3) / 2, 2 / 8 - 1, 0])


def test_the_text_shows_scores_and_changed_images(runs: tuple[Path, Path]) -> None:
    lines = str(compare_runs(*runs)).splitlines()
    assert any(line.split()[:4] == ["mIoU", "84.5", "70.8", "-13.7"] for line in lines)
    assert "  0.jpg: 58.3 -> 100.0" in lines
    assert "  1.jpg: 100.0 -> 25.0" in lines
    assert "on the masks: 3 images, 4 classes" in lines


def test_a_run_compared_with_itself_differs_in_nothing(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(runs[0], runs[0])
    assert {row.interval for row in (*comparison.scores, *comparison.classes)} == {(0.0, 0.0)}
    assert "became" not in str(comparison)


def test_a_small_gain_of_every_image_is_certain(tmp_path: Path) -> None:
    """The pairing sees it, though the images differ far more among themselves."""
    better = SemanticTally(4)
    worse = SemanticTally(4)
    for image in range(60):
        truth, guess = blocks(image, 4)
        better.add(image + 1, truth, guess)
        spoilt = guess.copy()
        spoilt[5, :6] = (guess[5, :6] + 1) % 4
        worse.add(image + 1, truth, spoilt)
    a = evaluated(tmp_path / "a", worse.results())
    b = evaluated(tmp_path / "b", better.results())
    low, high = compare_runs(a, b).scores[0].interval
    assert 0 < low < high < 0.03


def test_settings_that_differ_are_listed(runs: tuple[Path, Path]) -> None:
    for folder, rate in zip(runs, (0.1, 0.2), strict=True):
        (folder / "config.yaml").write_text(f"optim:\n  lr: {rate}\n")
    assert "  optim.lr: 0.1 -> 0.2" in str(compare_runs(*runs))


@pytest.mark.parametrize(
    ("other", "label_map", "prefix", "told"),
    [
        (tallied("0011"), ROAD, "", "differ in the number of images"),
        (tallied("0011", "0011", truth="0001"), ROAD, "", "differ in labels of the images"),
        (tallied("0011", "0011"), classes("a", "b", "c", "d"), "", "differ in classes"),
        (tallied("0011", "0011"), ROAD, "other/", "differ in file names"),
    ],
)
def test_runs_on_different_labels_are_refused(
    tmp_path: Path, other: SemanticResults, label_map: LabelMap, prefix: str, told: str
) -> None:
    a = evaluated(tmp_path / "a", tallied("0011", "0111"))
    b = evaluated(tmp_path / "b", other, label_map, prefix)
    with pytest.raises(UserError, match=f"must be scored on the same labels, but .*{told}"):
        compare_runs(a, b)


def test_no_image_is_compared_with_none(tmp_path: Path) -> None:
    a = evaluated(tmp_path / "a", scored(0, ROAD))
    b = evaluated(tmp_path / "b", scored(0, ROAD))
    assert "n/a" in str(compare_runs(a, b))


def test_samples_without_a_class_say_nothing_of_it(tmp_path: Path) -> None:
    """field_faults 22: only the first of twelve images has trees, which b finds and a does not."""
    a = SemanticTally(4)
    b = SemanticTally(4)
    for image in range(12):
        truth = labels("0011" if image == 0 else "0000")
        a.add(image + 1, truth, labels("0000"))
        b.add(image + 1, truth, truth)
    runs = [evaluated(tmp_path / name, one.results()) for name, one in (("a", a), ("b", b))]
    comparison = compare_runs(*runs)
    trees = comparison.classes[0]
    drawn = int((draw_images(12)[:, 0] > 0).sum())
    assert (trees.name, trees.interval, trees.samples) == ("tree", (1.0, 1.0), drawn)
    assert f"* of {drawn} samples" in str(comparison).replace("  ", " ")
    assert f"{500 - drawn} samples hold no pixel of some class" in str(comparison)
