"""What is kept of a study at a budget: points, conditions and curves, in a folder of results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from studies.residual.points import Point, as_csv, from_csv
from tasks.engine.files import write_text

ORDER = ("cpu", "gpu", "paper")
"""Budgets, the longest last."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the points of a study at a budget are of."""

    schedule: str
    command: str
    networks: Mapping[str, Sequence[str]]
    """Their settings."""
    machines: Mapping[str, Mapping[str, str]]
    """Of each finished training: what it was carried out on, and when."""


@dataclass(frozen=True)
class Found:
    """Points and conditions of a study at a budget."""

    study: str
    budget: str
    points: list[Point]
    conditions: Conditions


@dataclass(frozen=True)
class Results:
    """The folder results/ of the studies."""

    folder: Path

    def file(self, study: str, budget: str, suffix: str) -> Path:
        """Where something of a study is."""
        return self.folder / study / f"{budget}{suffix}"

    def write(self, found: Found) -> None:
        """Write points and conditions."""
        write_text(self.file(found.study, found.budget, ".csv"), as_csv(found.points))
        text = json.dumps(asdict(found.conditions), indent=1, ensure_ascii=False)
        write_text(self.file(found.study, found.budget, ".json"), text + "\n")

    def read(self, study: str) -> list[Found]:
        """What there is of a study, the longest budget last."""
        found = []
        for budget in ORDER:
            path = self.file(study, budget, ".csv")
            if path.exists():
                conditions = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                found.append(Found(study, budget, from_csv(path), Conditions(**conditions)))
        return found
