"""Which measurements share a chart, for the names of every task."""

from typing import Any

import pytest

from tasks.panels import choose_panels, is_score_panel, line_labels, panel_heading

COMMON = ("images_per_s", "data_share", "grad_norm", "memory_gb", "skipped")


def rows(*names: str) -> list[dict[str, Any]]:
    """Two rows of a training with these names in the second."""
    trained: dict[str, Any] = {"step": 1, "loss": 2.0, **dict.fromkeys(COMMON, 1.0), "lr": 0.1}
    scored = trained | {"step": 2, "weights": "ema"} | dict.fromkeys(names, 0.5)
    return [trained, scored]


def test_a_training_without_scores_has_a_loss_and_a_learning_rate() -> None:
    assert choose_panels(rows()) == {"loss": ["loss"], "learning rate": ["lr"]}
    assert choose_panels([]) == {}


def test_classification() -> None:
    names = ("loss/main", "loss/auxiliary", "val/main", "val/loss", "val/top1", "val/top5")
    assert choose_panels(rows(*names)) == {
        "loss": ["loss", "val/loss"],
        "parts of the training loss": ["loss/main", "loss/auxiliary"],
        "learning rate": ["lr"],
        "scores": ["val/top1", "val/top5"],
    }


def test_two_sets_of_images_share_the_loss_and_have_parts_and_scores_of_their_own() -> None:
    parts = [f"{group}/{name}" for group in ("loss", "val", "train") for name in ("main", "aux")]
    assert choose_panels(rows(*parts, "val/loss", "train/loss", "train/top1")) == {
        "loss": ["loss", "val/loss", "train/loss"],
        "parts of the training loss": parts[:2],
        "parts of the validation loss": parts[2:4],
        "parts of the loss on train": parts[4:],
        "learning rate": ["lr"],
        "scores on train": ["train/top1"],
    }


def test_segmentation() -> None:
    names = ("seg/mIoU", "seg/pixel_accuracy", "seg/mIoU/road", "seg/mIoU/traffic/light")
    panels = choose_panels(rows(*names, "val/loss"))
    assert panels["scores"] == ["seg/mIoU", "seg/pixel_accuracy"]
    assert list(panels) == ["loss", "learning rate", "scores"]


def test_detection_splits_twelve_scores_and_leaves_classes_out() -> None:
    sizes = ("", "s", "m", "l")
    precisions = [f"box/AP{suffix}" for suffix in ("", "50", "75", "s", "m", "l")]
    recalls = [f"box/AR{suffix}" for suffix in ("1", "10", "100", "s", "m", "l")]
    masks = [f"mask/AP{size}" for size in sizes]
    losses = ("loss/rpn/class", "loss/roi/box", "val/rpn/class", "val/roi/box", "val/loss")
    panels = choose_panels(rows(*losses, *precisions, *recalls, "box/AP/cat", *masks))
    assert panels == {
        "loss": ["loss", "val/loss"],
        "parts of the training loss": ["loss/rpn/class", "loss/roi/box"],
        "parts of the validation loss": ["val/rpn/class", "val/roi/box"],
        "learning rate": ["lr"],
        "AP": precisions[:3],
        "AP by object size": precisions[3:],
        "AR": recalls[:3],
        "AR by object size": recalls[3:],
        "mask scores": masks,
    }


def test_panoptic() -> None:
    names = [f"panoptic/{kind}{part}" for part in ("", "_things", "_stuff") for kind in PARTS]
    panels = choose_panels(rows(*names, "panoptic/PQ/cat"))
    assert [title for title in panels if is_score_panel(title)] == [
        "panoptic PQ",
        "panoptic SQ",
        "panoptic RQ",
    ]
    assert panels["panoptic PQ"] == ["panoptic/PQ", "panoptic/PQ_things", "panoptic/PQ_stuff"]


PARTS = ("PQ", "SQ", "RQ")


def test_names_without_capitals_stay_together_in_a_large_group() -> None:
    names = [f"val/top{k}" for k in range(1, 8)]
    assert choose_panels(rows(*names, "val/AUC"))["scores"] == names
    assert choose_panels(rows(*names, "val/AUC"))["AUC"] == ["val/AUC"]


def test_a_score_that_is_never_defined_is_in_no_panel() -> None:
    measured: list[dict[str, Any]] = [{"step": 1, "box/AP": 0.1, "box/APl": None}]
    assert choose_panels(measured) == {"AP": ["box/AP"]}


@pytest.mark.parametrize("name", ["run/images_per_s", "run/memory_gb", "accuracy"])
def test_what_is_no_score_or_has_no_group_is_in_no_panel(name: str) -> None:
    assert choose_panels(rows(name)) == choose_panels(rows())


def test_panels_of_scores_are_told_from_others() -> None:
    panels = choose_panels(rows("loss/main", "val/main", "val/loss", "val/top1"))
    assert [title for title in panels if is_score_panel(title)] == ["scores"]


def test_a_single_part_of_a_loss_has_no_panel() -> None:
    row = {"step": 1, "loss": 1.0, "loss/class": 1.0, "val/loss": 2.0, "val/class": 2.0, "lr": 0.1}
    assert choose_panels([row]) == {"loss": ["loss", "val/loss"], "learning rate": ["lr"]}


def test_headings_say_the_unit_of_scores() -> None:
    assert panel_heading("AP by object size") == "AP by object size, %"
    assert panel_heading("mask scores") == "Mask scores, %"
    assert panel_heading("learning rate") == "Learning rate"


@pytest.mark.parametrize(
    ("title", "names", "labels"),
    [
        ("loss", ["loss", "val/loss", "train/loss"], ["training", "validation", "on train"]),
        ("parts of the training loss", ["loss/rpn/class", "loss/main"], ["rpn class", "main"]),
        ("parts of the validation loss", ["val/roi/box", "val/roi/class"], ["box", "class"]),
        ("learning rate", ["lr"], ["lr"]),
        ("AP", ["box/AP", "box/AP50"], ["AP", "AP50"]),
        ("AP on train", ["train/box/AP"], ["AP"]),
        ("AP by object size", ["box/APs", "box/APm", "box/APl"], ["small", "medium", "large"]),
        ("AR by object size on train", ["train/box/ARs"], ["small"]),
        ("scores", ["val/top1", "val/mean_class"], ["top 1", "mean over classes"]),
    ],
)
def test_lines_are_called_by_what_tells_them_apart(
    title: str, names: list[str], labels: list[str]
) -> None:
    assert line_labels(title, names) == labels


def test_scores_of_another_set_say_so() -> None:
    names = [f"train/box/AP{suffix}" for suffix in ("", "50", "s", "m", "l")]
    titles = list(choose_panels(rows(*names)))
    assert titles[-2:] == ["AP on train", "AP by object size on train"]
