"""Read the training and validation split of a data set on every rank."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tasks.engine.commands import command
from tasks.engine.launch import Launch
from tasks.engine.resuming import VAL


class DataSet(Protocol):
    """The common part of the data sets of all tasks."""

    @property
    def path(self) -> Path:
        """Its name in messages."""

    @property
    def label_map(self) -> Any:
        """Its classes."""

    @property
    def contents(self) -> str:
        """What it holds, in words."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notes on data that were corrected or left out."""


D = TypeVar("D", bound=DataSet)


def read_both(launch: Launch[Any], read: Callable[..., D]) -> tuple[D, D]:
    """Read both splits with `read(split, label_map=…, check_sizes=…, check_command=…)`, the
    validation split with the training split's labels. One rank of each machine checks the files.
    Collective.
    """
    given = {"check_sizes": launch.world.local_rank == 0, "check_command": command("check")}
    with launch.world.sharing_errors():
        train_set = read("train", **given)
        return train_set, read("val", label_map=train_set.label_map, **given)


def describe_both(train_set: DataSet, val_set: DataSet) -> list[str]:
    """Describe the data sets, with their notes."""
    lines = [f"train {train_set.path}: {train_set.contents}"]
    lines.append(f"val {val_set.path}: {val_set.contents}")
    return lines + [f"warning: {text}" for text in (*train_set.warnings, *val_set.warnings)]


def describe_splits(
    train: Callable[[], Mapping[str, Any]],
    val: Callable[[], Mapping[str, Any]],
    val_limit: int | None = None,
) -> dict[str, Any]:
    """Describe the data for a checkpoint, by each split's fingerprint; resuming on other data is
    refused.

    `val_limit` is the number of validation images that the settings ask for; if a resume changes
    it, the validation splits are not compared.
    """
    return {**train(), VAL: {**val(), "limit": val_limit}}
