"""Which splits of a data set are there to be checked."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.checks.splits import find_splits


def locate(name: str) -> Path:
    if name == "train":
        raise UserError("no training images")
    return Path(name)


def test_one_split_is_enough_and_the_other_is_told() -> None:
    assert find_splits(locate) == ({"val": Path("val")}, ["no training images"])


def test_a_split_that_is_named_must_be_there() -> None:
    with pytest.raises(UserError, match="no training images"):
        find_splits(locate, lambda name: name == "train")


def test_where_nothing_is_there_both_reasons_are_told() -> None:
    def fail(name: str) -> Path:
        raise UserError(f"no {name}")

    with pytest.raises(UserError, match=r"^no train; no val$"):
        find_splits(fail)
