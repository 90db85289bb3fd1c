"""Which measurements of a run share a chart, by their names in metrics.jsonl.

A name is `group/name`, such as `box/AP` or `val/top1`; a training's own are `loss`, its parts
`loss/…`, and `lr`.  Losses of a set of images repeat those names below the set: `val/loss`,
`val/rpn/class` for `loss/rpn/class`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

LOSS = "loss"
LEARNING_RATE = "learning rate"
PARTS = "parts of the "
LARGEST = 6  # names in a panel of scores
NO_SCORES = {
    "data_share",
    "grad_norm",
    "images_per_s",
    "memory_gb",
    "skipped",
    "step",
    "weights",
}


def choose_panels(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Choose which measurements share a chart, as panel titles to names.

    Rows are those of metrics.jsonl. The loss comes first, then its parts in training and in each
    set of images, the learning rate, and the scores by group. A name below another name that is
    measured, such as a class's `box/AP/cat`, is a detail and in no panel. A panel without names is
    left out, and so is one of a single part of a loss, which is the loss.
    """
    names = _measured(rows)
    sets = [name.removesuffix("/loss") for name in names if name.endswith("/loss")]
    parts = [name for name in names if name.startswith("loss/")]
    panels = {
        LOSS: [name for name in names if name == "loss" or name.endswith("/loss")],
        f"{PARTS}training loss": parts,
    }
    for images in sets:
        title = "validation loss" if images == "val" else f"loss on {images}"
        repeated = {f"{images}/{part.removeprefix('loss/')}" for part in parts}
        panels[f"{PARTS}{title}"] = [name for name in names if name in repeated]
    panels[LEARNING_RATE] = [name for name in names if name == "lr" or name.startswith("lr/")]
    taken: set[str] = set()
    for chosen in panels.values():
        taken.update(chosen)
    known = set(names)
    scores = [name for name in names if name not in taken and _is_score(name, known)]
    panels |= _score_panels(scores)
    return {title: chosen for title, chosen in panels.items() if len(chosen) > _alone(title)}


def is_score_panel(title: str) -> bool:
    """Tell whether a panel of `choose_panels` shows scores, not losses or the learning rate."""
    return title not in (LOSS, LEARNING_RATE) and not title.startswith(PARTS)


def _alone(title: str) -> int:
    """Number of names up to which a panel shows nothing of its own."""
    return 1 if title.startswith(PARTS) else 0


def _measured(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names that have a number in any row, in the order of their first."""
    names: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                names.setdefault(name)
    return list(names)


def _is_score(name: str, names: Set[str]) -> bool:
    """Whether a name has a group, and neither it nor a part of it is a measured name."""
    group, _, last = name.rpartition("/")
    if not group or last in NO_SCORES:
        return False
    above = [name[: slash.start()] for slash in re.finditer("/", name)]
    return not any(prefix in names for prefix in above)


def _score_panels(scores: Sequence[str]) -> dict[str, list[str]]:
    """Scores by group; a large group is split by the capital letters its names begin with."""
    groups: dict[str, list[str]] = {}
    for name in scores:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    panels: dict[str, list[str]] = {}
    for group, members in groups.items():
        for name in members:
            title = group
            if len(members) > LARGEST:
                title = _with_letters(group, name)
            panels.setdefault(title, []).append(name)
    return panels


def _with_letters(group: str, name: str) -> str:
    """A group's title with the leading capitals of a name in it: `box/AP` of `box/APs`."""
    capitals = re.match(r"[A-Z]*", name.rpartition("/")[2])
    return f"{group}/{capitals[0]}" if capitals and capitals[0] else group
