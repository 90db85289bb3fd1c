"""Classify image files; write a CSV and a JSON file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.classification.predict import ImageClasses, ImageClassifier
from tasks.files import AtomicFile, write_text
from tasks.outputs import PREDICT, Outputs
from tasks.vision.prediction import is_time_to_write, outputs_of, results_of_files

RANKS = 5


def predict_files(
    classifier: ImageClassifier,
    sources: Sequence[str | Path],
    output_dir: str | Path,
    *,
    score: float | None = None,
    report: Callable[[str], None] = print,
    outputs: Outputs = PREDICT,
) -> tuple[str, ...]:
    """Write predictions.csv and predictions.json with the five most likely classes of every image
    in files and folders; returns the errors.

    Classes below the probability `score` are left out of both. A file that cannot be decoded is
    left out, and its error is returned; a source without images is a UserError, and so is an
    existing file that `outputs` does not own.
    """
    folder = Path(output_dir)
    files = outputs_of([Path(source) for source in sources], folder, ".csv")
    tables = (folder / "predictions.csv", folder / "predictions.json")
    problems: list[str] = []
    rows: list[dict[str, Any]] = []
    with outputs.reading(*files).owning(*tables):
        for file, found in results_of_files(files, classifier.read, classifier.stream, problems):
            rows.append({"file": str(file), "classes": _classes(found, score or 0.0)})
            report(f"{file}: {found.name} {found.probability:.0%}")
            if is_time_to_write(len(rows)):
                _write(tables, rows)
        _write(tables, rows)
    return tuple(problems)


def _write(tables: tuple[Path, Path], rows: Sequence[dict[str, Any]]) -> None:
    """Write the CSV and the JSON of the results so far."""
    _write_csv(tables[0], rows)
    write_text(tables[1], json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def _classes(found: ImageClasses, least: float) -> list[dict[str, Any]]:
    return [
        {"name": name, "probability": round(probability, 6)}
        for name, probability in found.top(RANKS)
        if probability >= least
    ]


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a line for each image: its file, and names and probabilities in turn."""
    heads = [f"{kind}{rank}" for rank in range(1, RANKS + 1) for kind in ("class", "probability")]
    with AtomicFile(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text)
        writer.writerow(["file", *heads])
        for row in rows:
            cells = [cell for entry in row["classes"] for cell in entry.values()]
            writer.writerow([row["file"], *cells])
        text.detach()
