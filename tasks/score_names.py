"""Which measurements of a run are scores, by their names in metrics.jsonl.

A score is a share of 1 in code and in files, and percent wherever people read it.  Names are
`group/name`, such as `box/AP` or `val/top1`; a name below a score, `box/AP/cat`, is of a class.
"""

import re
from collections.abc import Iterable, Set

NO_SCORES = {
    "data_share",
    "grad_norm",
    "images_per_s",
    "memory_gb",
    "skipped",
    "step",
    "weights",
}


def score_names(names: Iterable[str]) -> set[str]:
    """Choose the scores, those of classes too, from all the names that a run has measured.

    Parts of a loss on a set of images, `val/rpn/class`, are recognised by the part of the training
    loss, `loss/rpn/class`, which must be among the names.
    """
    known = set(names)
    parts = {name.removeprefix("loss/") for name in known if name.startswith("loss/")}
    candidates = {name for name in known if not is_loss_or_rate(name, parts)}
    return {name for name in candidates if is_detail(name, candidates) or _may_be_score(name)}


def is_loss_or_rate(name: str, parts: Set[str]) -> bool:
    """Whether a name is the loss, one of its parts or a learning rate, in training or on a set of
    images.
    """
    first, _, rest = name.partition("/")
    return first in ("loss", "lr") or rest == "loss" or rest in parts


def is_detail(name: str, names: Set[str]) -> bool:
    """Whether a name is below another one, as a class's `box/AP/cat` is below `box/AP`."""
    return any(name[: slash.start()] in names for slash in re.finditer("/", name))


def is_headline(name: str, names: Set[str]) -> bool:
    """Whether a name that is not a loss is a score over all classes."""
    return _may_be_score(name) and not is_detail(name, names)


def _may_be_score(name: str) -> bool:
    group, _, last = name.rpartition("/")
    return bool(group) and last not in NO_SCORES
