"""Results of a study at a budget: rows, conditions and curves in a folder."""

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
"""Budgets from the shortest to the longest."""
RESPONSES = "responses"
"""Name of the study whose rows are layers."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How the rows of a study at a budget were obtained."""

    schedule: str
    command: str
    images: int
    """Number of training images."""
    networks: Mapping[str, Sequence[str]]
    """Settings of each network."""
    machines: Mapping[str, Mapping[str, str]]
    """Machine and date of each finished training."""


@dataclass(frozen=True)
class Found(Generic[T]):
    """Rows and conditions of a study at a budget."""

    study: str
    budget: str
    rows: list[T]
    conditions: Conditions


class Evidence(Protocol):
    """Results that claims are judged by."""

    @property
    def budget(self) -> str:
        """Name of the budget."""

    def values(self, measure: str) -> Values:
        """Values of a measure by network."""


class Trainings(Found[Point]):
    """Results whose rows are points of trainings."""

    def values(self, measure: str) -> Values:
        """Values of a measure for the finished trainings, by network."""
        return measured(of_finished(self.rows), MEASURES[measure])


class Layers(Found[LayerRow]):
    """Results whose rows are layers of trained nets."""

    def values(self, measure: str) -> Values:
        """Values of a measure by network."""
        return measured(self.rows, LAYER_MEASURES[measure])


@dataclass(frozen=True)
class Results:
    """The folder results/ of the studies, with a subfolder for each study."""

    folder: Path

    def file(self, study: str, budget: str, suffix: str) -> Path:
        """Path of a file of a study."""
        return self.folder / study / f"{budget}{suffix}"

    def write(self, found: Trainings | Layers) -> None:
        """Write rows and conditions."""
        kind = LayerRow if isinstance(found, Layers) else Point
        write_text(self.file(found.study, found.budget, ".csv"), as_csv(kind, found.rows))
        text = json.dumps(asdict(found.conditions), indent=1, ensure_ascii=False)
        write_text(self.file(found.study, found.budget, ".json"), text + "\n")

    def trainings(self, study: str) -> list[Trainings]:
        """Results of a study, the longest budget last."""
        return [
            Trainings(study, budget, from_csv(Point, path), _conditions(path))
            for budget, path in self._budgets(study)
        ]

    def layers(self) -> list[Layers]:
        """Results of the layer responses, the longest budget last."""
        return [
            Layers(RESPONSES, budget, from_csv(LayerRow, path), _conditions(path))
            for budget, path in self._budgets(RESPONSES)
        ]

    def evidence(self, study: str) -> Sequence[Evidence]:
        """Results of any study, the longest budget last."""
        return self.layers() if study == RESPONSES else self.trainings(study)

    def _budgets(self, study: str) -> list[tuple[str, Path]]:
        """Budgets with results, and the files of their rows."""
        files = [(budget, self.file(study, budget, ".csv")) for budget in ORDER]
        return [(budget, path) for budget, path in files if path.exists()]


def _conditions(path: Path) -> Conditions:
    """Read the conditions that stand beside the rows."""
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Conditions(**found)
