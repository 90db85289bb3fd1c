"""COCO's box scores by two engines that must agree, and how they are shown.

Scores are flat names to floats in 0–1, multiplied by 100 only where they are printed; a score that nothing in the data
set defines (no object of that size or class) is nan here, `n/a` in the table and null in JSON.
COCO's limits of 1, 10 and 100 detections per image and class hold throughout.
"""

import contextlib
import importlib.metadata
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.coco import CocoDataset, ground_truth, read_coco
from tasks.coco_results import DetectionResults, read_results_json, records

Backend = Literal["hotcoco", "pycocotools"]

SCORE_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
MAX_DETECTIONS = (1, 10, 100)


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

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["", format_table(self.scores), ""]
        return "\n".join(lines + [f"written: {file}" for file in self.files])


def evaluate_results(
    results_path: str | Path, annotations: str | Path, output_dir: str | Path | None = None
) -> EvaluationReport:
    """Score a COCO results file, whoever wrote it, against an annotation file, by both engines.

    evaluation.json goes to `output_dir`, or beside the results. Images are not read. ValueError for a record that does
    not fit the annotations.
    """
    dataset = read_coco(annotations)
    results = read_results_json(results_path, dataset)
    scores = final_scores(dataset, results)
    about = {"results": str(results_path), **scoring_facts(dataset, results, final=True)}
    folder = Path(results_path).parent if output_dir is None else Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    write_evaluation(folder / "evaluation.json", scores, about)
    return EvaluationReport(scores, about, dataset.warnings, (folder / "evaluation.json",))


def score_boxes(dataset: CocoDataset, results: DetectionResults, backend: Backend = "hotcoco") -> dict[str, float]:
    """COCO's twelve numbers as `box/AP` … `box/ARl`, then one `box/AP/<class>` per class; nan without ground truth.

    Both backends give the same numbers to the last bit; hotcoco is the fast one.
    """
    twelve, precision = (_run_hotcoco if backend == "hotcoco" else _run_pycocotools)(dataset, results)
    scores = {f"box/{name}": value for name, value in zip(SCORE_NAMES, twelve, strict=True)}
    for label, name in enumerate(dataset.label_map.names):
        scores[f"box/AP/{name}"] = _mean(precision[:, :, label, 0, -1])
    return scores


def final_scores(dataset: CocoDataset, results: DetectionResults) -> dict[str, float]:
    """The scores of `score_boxes`, by hotcoco and by pycocotools; RuntimeError with both where they differ."""
    fast, reference = (score_boxes(dataset, results, backend) for backend in ("hotcoco", "pycocotools"))
    differing = [name for name in reference if not np.array_equal(fast[name], reference[name], equal_nan=True)]
    if differing:
        versions = " and ".join(f"{name} {version}" for name, version in engine_versions().items())
        lines = [f"  {name}: hotcoco {fast[name]!r}, pycocotools {reference[name]!r}" for name in differing]
        raise RuntimeError(
            f"a final score must be the same by {versions}, but they differ in\n" + "\n".join(lines) + "\n"
            "pycocotools is the reference; try another version of hotcoco and report the results file to it"
        )
    return fast


def engine_versions() -> dict[str, str]:
    """Versions of the two scoring libraries."""
    return {name: importlib.metadata.version(name) for name in ("hotcoco", "pycocotools")}


def scoring_facts(dataset: CocoDataset, results: DetectionResults, *, final: bool) -> dict[str, object]:
    """What scores are about and who computed them, for `write_evaluation`."""
    versions = engine_versions()
    return {
        "annotations": str(dataset.path),
        "images": len(dataset.image_ids),
        "objects": int((~dataset.crowd).sum()),
        "crowds": int(dataset.crowd.sum()),
        "detections": len(results),
        "max_detections": list(MAX_DETECTIONS),
        "engines": versions if final else {"hotcoco": versions["hotcoco"]},
    }


def write_evaluation(path: str | Path, scores: Mapping[str, float], about: Mapping[str, object]) -> None:
    """Write {**about, "scores": {name: number}} as JSON; a score without ground truth is null."""
    numbers = {name: None if math.isnan(value) else value for name, value in scores.items()}
    text = json.dumps({**about, "scores": numbers}, indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


NAMES_SHOWN = 10  # of the classes without ground truth


def format_table(scores: Mapping[str, float]) -> str:
    """COCO's twelve numbers and the classes' AP, times 100, as text for a terminal."""
    names = [f"{name:>7}" for name in SCORE_NAMES]
    values = [_percent(scores[f"box/{name}"]) for name in SCORE_NAMES]
    lines = ["COCO box scores, times 100 (AP over IoU 0.50 to 0.95, at most 100 detections of a class and image)"]
    lines += ["".join(row) for half in (slice(0, 6), slice(6, 12)) for row in (names[half], values[half])]
    return "\n".join(lines + _class_lines(scores))


def _class_lines(scores: Mapping[str, float], columns: int = 4) -> list[str]:
    """AP by class in columns, then the classes that have no ground truth."""
    prefix = "box/AP/"
    by_class = {name.removeprefix(prefix): value for name, value in scores.items() if name.startswith(prefix)}
    scored = {name: value for name, value in by_class.items() if not math.isnan(value)}
    absent = [name for name in by_class if name not in scored]
    width = max((len(name) for name in scored), default=0)
    cells = [f"  {name:<{width}}{_percent(value)}" for name, value in scored.items()]
    lines = ["AP by class", *("".join(cells[at : at + columns]) for at in range(0, len(cells), columns))]
    more = f", … ({len(absent)} in all)" if len(absent) > NAMES_SHOWN else ""
    return lines + ([f"no ground truth (n/a): {', '.join(absent[:NAMES_SHOWN])}{more}"] if absent else [])


def _percent(value: float) -> str:
    return f"{'n/a' if math.isnan(value) else format(100 * value, '.1f'):>7}"


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the entries that ground truth defines, which are those above -1; nan where there are none."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def _summarize(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> list[float]:
    """COCO's twelve numbers; precision is (thresholds, recalls, classes, sizes, limits), recall lacks the second."""
    half, three_quarters = 0, 5  # places of IoU 0.50 and 0.75 among 0.50, 0.55 … 0.95
    sizes = (1, 2, 3)  # small, medium and large, after all
    return [
        _mean(precision[:, :, :, 0, -1]),
        _mean(precision[half, :, :, 0, -1]),
        _mean(precision[three_quarters, :, :, 0, -1]),
        *(_mean(precision[:, :, :, size, -1]) for size in sizes),
        *(_mean(recall[:, :, 0, limit]) for limit in range(len(MAX_DETECTIONS))),
        *(_mean(recall[:, :, size, -1]) for size in sizes),
    ]


def _run_hotcoco(dataset: CocoDataset, results: DetectionResults) -> tuple[list[float], NDArray[np.float64]]:
    """COCO's twelve numbers and the precision array, with no Python object per annotation or detection."""
    import hotcoco

    sizes: Sequence[tuple[int, int]] = dataset.sizes.tolist()
    images = [
        {"id": image, "height": height, "width": width}
        for image, (height, width) in zip(dataset.image_ids.tolist(), sizes, strict=True)
    ]
    truth = hotcoco.COCO.from_arrays(
        images,
        [{"id": label, "name": name} for label, name in enumerate(dataset.label_map.names)],
        np.repeat(dataset.image_ids, np.diff(dataset.first)),
        dataset.labels,
        dataset.boxes,
        area=dataset.areas,
        iscrowd=dataset.crowd,
    )
    rows = np.column_stack((results.image_ids, results.boxes, results.scores, results.labels))
    evaluator = hotcoco.COCOeval(truth, truth.load_res(rows), "bbox")
    evaluator.params.max_dets = list(MAX_DETECTIONS)
    evaluator.evaluate()
    evaluator.accumulate()
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])
    return _summarize(precision, np.asarray(curves["recall"])), precision


def _run_pycocotools(dataset: CocoDataset, results: DetectionResults) -> tuple[list[float], NDArray[np.float64]]:
    """COCO's twelve numbers as pycocotools itself sums them up, and the precision array."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress with print()
        truth, found = COCO(), COCO()
        truth.dataset = ground_truth(dataset)
        truth.createIndex()
        if len(results):
            labels = range(dataset.label_map.num_classes)
            found = truth.loadRes(records(results, dataset.image_ids.tolist(), labels))
        else:  # loadRes fails on an empty list
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(truth, found, "bbox")
        evaluator.params.maxDets = list(MAX_DETECTIONS)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    twelve = [math.nan if value == -1 else float(value) for value in evaluator.stats]
    return twelve, evaluator.eval["precision"]
