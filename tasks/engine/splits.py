"""Training and validation split of a data set, read on every rank.  No torch here."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class Labelled(Protocol):
    """A data set that knows its classes."""

    @property
    def label_map(self) -> Any:
        """They are."""


D = TypeVar("D", bound=Labelled)


def read_both(read: Callable[..., D], local_rank: int, check_command: str) -> tuple[D, D]:
    """Both splits of `read(split, label_map=…, check_sizes=…, check_command=…)`, the validation
    split with the training split's labels; one rank a machine checks the files.
    """
    given: dict[str, Any] = {"check_sizes": local_rank == 0, "check_command": check_command}
    train_set = read("train", **given)
    return train_set, read("val", label_map=train_set.label_map, **given)
