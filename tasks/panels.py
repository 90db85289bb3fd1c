"""Which measurements of a run share a chart, by their names in metrics.jsonl, and their titles.

A name is `group/name`, such as `box/AP` or `val/top1`; a training's own are `loss`, its parts
`loss/…`, and `lr`.  Losses of a set of images repeat those names below the set: `val/loss`,
`val/rpn/class` for `loss/rpn/class`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.score_names import is_headline

LOSS = "loss"
LEARNING_RATE = "learning rate"
PARTS = "parts of the "
BY_SIZE = " by object size"
LARGEST = 4  # names of several kinds in a panel of scores
SIZES = {"s": "small", "m": "medium", "l": "large"}
"""Meaning of the last letter of COCO's APs, APm and APl."""
GROUPS = {"box": "", "mask": "mask", "panoptic": "panoptic", "seg": "", "val": ""}
"""Beginnings of the titles of the groups' panels."""
WORDS = {"mean_class": "mean over classes", "mIoU_present": "mIoU of those present"}
"""Longer forms of names that say too little."""


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
    scores = [name for name in names if name not in taken and is_headline(name, known)]
    panels |= _score_panels(scores)
    return {title: chosen for title, chosen in panels.items() if len(chosen) > _alone(title)}


def is_score_panel(title: str) -> bool:
    """Tell whether a panel of `choose_panels` shows scores, not losses or the learning rate."""
    return title not in (LOSS, LEARNING_RATE) and not title.startswith(PARTS)


def panel_heading(title: str) -> str:
    """Return the heading of a panel of `choose_panels`: its title, and the unit of scores."""
    heading = title[:1].upper() + title[1:]
    return f"{heading}, %" if is_score_panel(title) else heading


def line_labels(title: str, names: Sequence[str]) -> list[str]:
    """Return the names of a panel's lines in its legend."""
    if title == LOSS:
        return [_loss_label(name) for name in names]
    if title.partition(" on ")[0].endswith(BY_SIZE):
        return [SIZES[name[-1]] for name in names]
    shared = _shared_group(names)
    return [in_words(name.removeprefix(shared)) for name in names]


def in_words(name: str) -> str:
    """Write a name for people: `top1` as top 1."""
    plain = re.sub(r"[/_]", " ", WORDS.get(name, name))
    return re.sub(r"\btop(\d+)\b", r"top \1", plain)


def score_title(name: str) -> str:
    """Name a score by itself: AP for `box/AP`, AP small for `box/APs`."""
    kind = _kind(name)
    if kind.endswith(BY_SIZE):
        return f"{kind.removesuffix(BY_SIZE)} {SIZES[name[-1]]}"
    return in_words(name.rpartition("/")[2])


def _alone(title: str) -> int:
    """Largest number of names for which a group gets no panel of its own."""
    return 1 if title.startswith(PARTS) else 0


def _loss_label(name: str) -> str:
    """Return the images that a loss belongs to."""
    images = name.removesuffix("loss").rstrip("/")
    return {"": "training", "val": "validation"}.get(images, f"on {images}")


def _shared_group(names: Sequence[str]) -> str:
    """Find the longest common group of names, with its slash: `loss/` for `loss/a` and
    `loss/b/c`.
    """
    group = f"{names[0].rpartition('/')[0]}/"
    while group != "/" and not all(name.startswith(group) for name in names):
        group = f"{group.rstrip('/').rpartition('/')[0]}/"
    return group


def _measured(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the names that have a number in any row, by first occurrence."""
    names: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                names.setdefault(name)
    return list(names)


def _score_panels(scores: Sequence[str]) -> dict[str, list[str]]:
    """Group the scores; a large group is split by the beginnings of its names."""
    groups: dict[str, list[str]] = {}
    for name in scores:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    panels: dict[str, list[str]] = {}
    for group, members in groups.items():
        for kind, chosen in _split(members).items():
            panels.setdefault(_title(group, kind), []).extend(chosen)
    return panels


def _split(members: Sequence[str]) -> dict[str, list[str]]:
    """Sort the names of a group by kind, such as AP; under one kind if they are few or alike."""
    kinds: dict[str, list[str]] = {}
    for name in members:
        kinds.setdefault(_kind(name), []).append(name)
    if len(members) > LARGEST or len(kinds) == 1:
        return kinds
    return {"": list(members)}


def _kind(name: str) -> str:
    """Return the capitals that a name begins with, AP for `box/AP50`, and whether it is of a
    size.
    """
    last = name.rpartition("/")[2]
    capitals = re.match(r"[A-Z]*", last)
    kind = capitals[0] if capitals else ""
    is_of_size = bool(kind) and last.removeprefix(kind) in SIZES
    return f"{kind}{BY_SIZE}" if is_of_size else kind


def _title(group: str, kind: str) -> str:
    """Return the title of a panel: AP for `box`, AP on train for `train/box`."""
    images, _, own = group.rpartition("/")
    if own == "train":
        images, own = own, ""
    words = [GROUPS.get(own, own), kind or "scores"]
    title = " ".join(word for word in words if word)
    return f"{title} on {images}" if images else title
