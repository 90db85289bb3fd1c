"""Scores are told from all else that a run measures."""

from tasks.score_names import score_names

DETECTOR = (
    *("loss", "loss/rpn/class", "lr", "grad_norm", "images_per_s", "memory_gb", "step"),
    *("val/loss", "val/rpn/class"),
)


def test_scores_of_a_detector_and_of_its_classes() -> None:
    scores = {"box/AP", "box/AP/cat", "box/APs", "train/box/AP"}
    assert score_names({*DETECTOR, *scores, "train/rpn/class"}) == scores


def test_scores_of_a_classifier_are_told_from_the_parts_of_its_loss() -> None:
    measured = {"loss", "loss/main", "val/main", "val/loss", "val/top1", "val/top1/cat"}
    assert score_names(measured) == {"val/top1", "val/top1/cat"}


def test_a_class_may_be_called_like_a_measurement() -> None:
    assert "seg/mIoU/step" in score_names({"seg/mIoU", "seg/mIoU/step"})


def test_a_speed_with_a_group_is_no_score() -> None:
    assert score_names({"run/images_per_s", "accuracy"}) == set()
