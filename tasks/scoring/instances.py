"""COCO's box scores by two engines that must agree, and how they are shown.

Scores are flat names to floats in 0–1, multiplied by 100 only where they are printed; a score that
nothing in the data set defines (no object of that size or class) is nan here, `n/a` in the table
and null in JSON. COCO's limits of 1, 10 and 100 detections per image and class hold throughout.
"""

import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.datasets.coco.dataset import CocoDataset
from tasks.scoring.engines import (
    MAX_DETECTIONS,
    SCORE_NAMES,
    mean_defined,
    run_hotcoco,
    run_pycocotools,
)
from tasks.scoring.results import DetectionResults

Backend = Literal["hotcoco", "pycocotools"]


@dataclass(frozen=True)
class EvaluationReport:
    """Scores with what they are of, to be printed."""

    scores: dict[str, float]
    """Flat names to numbers, as `score_boxes` gives them and more."""
    about: Mapping[str, object]
    """What was scored."""
    notes: tuple[str, ...]
    """What to know about the data set: what was mended, or left out."""
    files: tuple[Path, ...]
    """What was written."""
    page: str
    """The file of the report, or why there is none."""

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["", format_table(self.scores), ""]
        lines += [f"written: {file}" for file in self.files]
        return "\n".join([*lines, f"report: {self.page}"])


def score_boxes(
    dataset: CocoDataset, results: DetectionResults, backend: Backend = "hotcoco"
) -> dict[str, float]:
    """COCO's twelve numbers as `box/AP` … `box/ARl`, then one `box/AP/<class>` per class; nan
    without ground truth.

    Both backends give the same numbers to the last bit; hotcoco is the fast one.
    """
    twelve, precision = (run_hotcoco if backend == "hotcoco" else run_pycocotools)(dataset, results)
    scores = {f"box/{name}": value for name, value in zip(SCORE_NAMES, twelve, strict=True)}
    for label, name in enumerate(dataset.label_map.names):
        scores[f"box/AP/{name}"] = mean_defined(precision[:, :, label, 0, -1])
    return scores


def final_scores(dataset: CocoDataset, results: DetectionResults) -> dict[str, float]:
    """The scores of `score_boxes`, by hotcoco and by pycocotools; RuntimeError with both where they
    differ.
    """
    fast, reference = (
        score_boxes(dataset, results, backend) for backend in ("hotcoco", "pycocotools")
    )
    differing = [
        name
        for name in reference
        if not np.array_equal(fast[name], reference[name], equal_nan=True)
    ]
    if differing:
        versions = " and ".join(f"{name} {version}" for name, version in engine_versions().items())
        lines = [
            f"  {name}: hotcoco {fast[name]!r}, pycocotools {reference[name]!r}"
            for name in differing
        ]
        raise RuntimeError(
            f"a final score must be the same by {versions}, but they differ in\n"
            + "\n".join(lines)
            + "\npycocotools is the reference; try another version of hotcoco and report the"
            " results file to it"
        )
    return fast


def engine_versions() -> dict[str, str]:
    """Versions of the two scoring libraries."""
    return {name: importlib.metadata.version(name) for name in ("hotcoco", "pycocotools")}


def scoring_facts(
    dataset: CocoDataset, results: DetectionResults, *, final: bool
) -> dict[str, object]:
    """What scores are about and who computed them, for `write_evaluation`."""
    versions = engine_versions()
    return {
        "annotations": str(dataset.path),
        "image_root": str(dataset.image_root),
        "images": len(dataset.image_ids),
        "objects": int((~dataset.crowd).sum()),
        "crowds": int(dataset.crowd.sum()),
        "detections": len(results),
        "max_detections": list(MAX_DETECTIONS),
        "engines": versions if final else {"hotcoco": versions["hotcoco"]},
    }


def write_evaluation(
    path: str | Path, scores: Mapping[str, float], about: Mapping[str, object]
) -> None:
    """Write {**about, "scores": {name: number}} as JSON; a score without ground truth is null."""
    numbers = {name: None if math.isnan(value) else value for name, value in scores.items()}
    text = json.dumps({**about, "scores": numbers}, indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


NAMES_SHOWN = 10  # of the classes without ground truth


def format_table(scores: Mapping[str, float]) -> str:
    """COCO's twelve numbers and the classes' AP, times 100, as text for a terminal."""
    names = [f"{name:>7}" for name in SCORE_NAMES]
    values = [_percent(scores[f"box/{name}"]) for name in SCORE_NAMES]
    lines = [
        "COCO box scores, times 100 (AP over IoU 0.50 to 0.95, at most 100 detections of a class"
        " and image)"
    ]
    lines += [
        "".join(row) for half in (slice(0, 6), slice(6, 12)) for row in (names[half], values[half])
    ]
    return "\n".join(lines + _class_lines(scores))


def _class_lines(scores: Mapping[str, float], columns: int = 4) -> list[str]:
    """AP by class in columns, then the classes that have no ground truth."""
    prefix = "box/AP/"
    by_class = {
        name.removeprefix(prefix): value
        for name, value in scores.items()
        if name.startswith(prefix)
    }
    scored = {name: value for name, value in by_class.items() if not math.isnan(value)}
    absent = [name for name in by_class if name not in scored]
    width = max((len(name) for name in scored), default=0)
    cells = [f"  {name:<{width}}{_percent(value)}" for name, value in scored.items()]
    lines = [
        "AP by class",
        *("".join(cells[at : at + columns]) for at in range(0, len(cells), columns)),
    ]
    more = f", … ({len(absent)} in all)" if len(absent) > NAMES_SHOWN else ""
    return lines + (
        [f"no ground truth (n/a): {', '.join(absent[:NAMES_SHOWN])}{more}"] if absent else []
    )


def _percent(value: float) -> str:
    return f"{'n/a' if math.isnan(value) else format(100 * value, '.1f'):>7}"
