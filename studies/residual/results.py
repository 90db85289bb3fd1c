"""What is kept of a study at a budget, rows, conditions and curves, in a folder of results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from studies.residual.csv_rows import as_csv, from_csv
from studies.residual.layers import LAYER_MEASURES, LayerRow
from studies.residual.measures import MEASURES, Values, measured, of_finished
from studies.residual.points import Point
from tasks.files import write_text

ORDER = ("cpu", "long", "gpu", "paper")
"""Budgets, the longest last."""
RESPONSES = "responses"
"""The study whose rows are layers."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the rows of a study at a budget are of."""

    schedule: str
    command: str
    images: int
    """Training images."""
    networks: Mapping[str, Sequence[str]]
    """Their settings."""
    machines: Mapping[str, Mapping[str, str]]
    """Of each finished training: what it was carried out on, and when."""


@dataclass(frozen=True)
class Found(Generic[T]):
    """Rows and conditions of a study at a budget."""

    study: str
    budget: str
    rows: list[T]
    conditions: Conditions


class Evidence(Protocol):
    """What claims are judged by."""

    @property
    def budget(self) -> str:
        """How much was done."""

    def values(self, measure: str) -> Values:
        """A measure by network."""


class Trainings(Found[Point]):
    """Points of trainings."""

    def values(self, measure: str) -> Values:
        """A measure of the finished ones, by network."""
        return measured(of_finished(self.rows), MEASURES[measure])


class Layers(Found[LayerRow]):
    """Responses of trained nets."""

    def values(self, measure: str) -> Values:
        """A measure of each net, by network."""
        return measured(self.rows, LAYER_MEASURES[measure])


@dataclass(frozen=True)
class Results:
    """The folder results/ of the studies."""

    folder: Path

    def file(self, study: str, budget: str, suffix: str) -> Path:
        """Where something of a study is."""
        return self.folder / study / f"{budget}{suffix}"

    def write(self, found: Trainings | Layers) -> None:
        """Write rows and conditions."""
        kind = LayerRow if isinstance(found, Layers) else Point
        write_text(self.file(found.study, found.budget, ".csv"), as_csv(kind, found.rows))
        text = json.dumps(asdict(found.conditions), indent=1, ensure_ascii=False)
        write_text(self.file(found.study, found.budget, ".json"), text + "\n")

    def trainings(self, study: str) -> list[Trainings]:
        """What there is of a study, the longest budget last."""
        return [
            Trainings(study, budget, from_csv(Point, path), _conditions(path))
            for budget, path in self._budgets(study)
        ]

    def layers(self) -> list[Layers]:
        """What there is of the responses, the longest budget last."""
        return [
            Layers(RESPONSES, budget, from_csv(LayerRow, path), _conditions(path))
            for budget, path in self._budgets(RESPONSES)
        ]

    def evidence(self, study: str) -> Sequence[Evidence]:
        """What there is of any study, the longest budget last."""
        return self.layers() if study == RESPONSES else self.trainings(study)

    def _budgets(self, study: str) -> list[tuple[str, Path]]:
        """Budgets that were run, and their rows."""
        files = [(budget, self.file(study, budget, ".csv")) for budget in ORDER]
        return [(budget, path) for budget, path in files if path.exists()]


def _conditions(path: Path) -> Conditions:
    """Those beside the rows."""
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Conditions(**found)
