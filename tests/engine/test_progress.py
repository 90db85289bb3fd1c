"""What of an evaluation a run remembers."""

from tasks.engine.evaluation import SetScores, named_scores
from tasks.engine.progress import without_details


def test_scores_of_single_classes_are_not_remembered() -> None:
    scores = {"top1": 0.5, "mean_class": 0.4, "top1/cat": 0.3, "top1/cat/wild": 0.2}
    named = named_scores(SetScores(scores, {"loss": 1.0}), "val")
    assert set(without_details(named)) == {"val/top1", "val/mean_class", "val/loss"}


def test_a_score_in_a_group_without_a_number_of_its_own_is_remembered() -> None:
    scores = {"box/AP": 0.5, "box/AP50": 0.6, "box/AP/traffic/light": 0.1}
    assert set(without_details(scores)) == {"box/AP", "box/AP50"}
