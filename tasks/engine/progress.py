"""The progress of a run, in JSON's types."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tasks.engine.config import UnknownSettingWarning
from tasks.engine.schedule import Evaluation


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    step: int = 0
    """Finished optimiser steps."""
    evaluated: int = 0
    """Steps that the last finished evaluation saw."""
    scores: dict[str, float] = field(default_factory=dict)
    """Scores of that evaluation."""
    best: float | None = None
    """The best checkpoint's value of `best_metric`."""
    best_step: int = 0
    """Steps that the best checkpoint has seen."""
    best_metric: str = ""
    """Name of the score in `best`; empty in files of version 0.1.0."""
    window: dict[str, float] = field(default_factory=dict)
    """Loss sums since the last log line."""
    history: tuple[Evaluation, ...] = ()
    """The finished evaluations."""
    total_steps: int | None = None
    """Length of the run, if schedule.minutes was turned into steps."""
    positions: list[Any] | None = None
    """Where each rank's batches continue, if the steps alone do not tell."""

    def to_json(self) -> str:
        """Write a text that `from_json` reads back to an equal value."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Progress":
        """Read the text of `to_json`, of this version or another; unknown names are a warning.

        ValueError for content that it never writes.
        """
        values: dict[str, Any] = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError(f"its progress is {values!r:.60}")
        names = {item.name for item in dataclasses.fields(cls)}
        unknown = [name for name in values if name not in names]
        if unknown:
            message = f"a checkpoint's progress holds {', '.join(unknown)}, which are left out"
            warnings.warn(message, UnknownSettingWarning, stacklevel=2)
        known = {name: value for name, value in values.items() if name in names}
        for name, value in known.items():
            if not _KINDS[name](value):
                raise ValueError(f"its progress has {name}={value!r:.60}")
        history = known.get("history", [])
        known["history"] = tuple(Evaluation(one["step"], one["scores"]) for one in history)
        return cls(**known)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_evaluation(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return _is_count(value.get("step")) and _is_numbers(value.get("scores"))


def _is_history(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_evaluation, value))


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "step": _is_count,
    "evaluated": _is_count,
    "scores": _is_numbers,
    "best": lambda value: value is None or _is_number(value),
    "best_step": _is_count,
    "best_metric": lambda value: isinstance(value, str),
    "window": _is_numbers,
    "history": _is_history,
    "total_steps": lambda value: value is None or _is_count(value),
    "positions": lambda value: value is None or isinstance(value, list),
}
"""Check of each value."""


def best_so_far(progress: Progress, metric: str) -> float | None:
    """Return the best checkpoint's value of a metric, which a resume may have changed; None if
    there is none or it is unknown.
    """
    if progress.best_metric in ("", metric):
        return progress.best
    of_best = [one.scores for one in progress.history if one.step == progress.best_step]
    return of_best[0].get(metric) if of_best else None


def without_details(scores: Mapping[str, float]) -> dict[str, float]:
    """Leave out per-class scores, such as box/AP/cat below box/AP.

    A class's name may contain slashes.
    """
    return {name: score for name, score in scores.items() if not _is_detail(name, scores)}


def _is_detail(name: str, scores: Mapping[str, float]) -> bool:
    """Whether a part of the name, up to one of its slashes, is a score itself."""
    above = accumulate(name.split("/")[:-1], "{}/{}".format)
    return any(part in scores for part in above)
