"""The report of detections on a data set."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, first_images, read_coco
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.images import Exif
from tasks.labels import LabelMap
from tasks.report.build import Section, run_sections, try_report, write_page
from tasks.report.instances.analysis import analyse
from tasks.report.instances.images import Pictures, extremes, outcome_key
from tasks.report.instances.mistakes import (
    confusion_section,
    detection_data_section,
    errors_section,
)
from tasks.report.instances.sections import (
    calibration_section,
    classes_section,
    curves_section,
    headline,
    operating_section,
)
from tasks.report.instances.suspects import suspects_section
from tasks.report.page import paragraph
from tasks.report.run import evaluation_metadata, finished_evaluation, recorded_path
from tasks.report.title import report_title
from tasks.scoring.results import DetectionResults, read_results_json

DETECTIONS = "detections.json"
_RANKED_BY = (
    "Those of lowest F1 at the classes' operating points, IoU 0.50: ground truth first, then"
    " detections. Names that would hide a small box or another name are left out."
)


def detection_sections(
    dataset: CocoDataset, results: DetectionResults, folder: str | Path, *, exif: Exif = "apply"
) -> list[Section]:
    """Analyse detections and return the sections of their report as (heading, HTML).

    `folder` tells of the run. Image files that are missing are shown as blanks.
    """
    analysis = analyse(dataset, results, scored_detections(folder))
    worst, best = extremes(analysis.images)
    pictures = Pictures(dataset, analysis, exif)
    suspects = suspects_section(pictures)
    own = [
        ("Classes and sizes", classes_section(analysis)),
        ("Precision and recall", curves_section(analysis)),
        ("Operating point", operating_section(analysis)),
        ("Errors", errors_section(analysis)),
        ("Confusion", confusion_section(analysis)),
        ("Calibration", calibration_section(analysis)),
        ("Worst images", paragraph(_RANKED_BY) + outcome_key() + pictures.gallery(worst)),
        ("Best images", pictures.gallery(best)),
    ]
    if suspects:
        own.append(("Annotations to look at", suspects))
    data = detection_data_section(dataset, analysis)
    return run_sections(folder, scores=headline(analysis), own=own, data=data)


def write_report(
    folder: str | Path, dataset: CocoDataset, results: DetectionResults, *, exif: Exif = "apply"
) -> Path:
    """Write report.html about detections on a data set and return its path."""
    sections = detection_sections(dataset, results, folder, exif=exif)
    objects = int((~dataset.crowd).sum())
    counts = f"{len(dataset)} images, {objects} objects, {len(results)} detections"
    title = report_title(folder, str(dataset.path))
    return write_page(folder, title, f"{dataset.path}: {counts}", sections)


def report_detections(
    folder: str | Path,
    dataset: CocoDataset,
    *,
    exif: Exif = "apply",
    report_command: str = "backbones report",
) -> str:
    """Write the report of a folder's detections and say where it is, or why there is none.

    `report_command` is how the user has a report made again.
    """

    def make() -> Path:
        return write_report(folder, dataset, _read_detections(Path(folder), dataset), exif=exif)

    return try_report(make, f"{report_command} {folder}")


def remake_report(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    annotations: str | Path | None = None,
    eval_command: str = "backbones eval",
) -> Path:
    """Write the report of a run or an evaluation again, from its files and the data they name.

    `images` replaces the folder of images and `annotations` the file, which must be the same one at
    another place. `eval_command` is how the user starts an evaluation. Raises UserError where
    evaluation.json or what it names is missing.
    """
    dataset, results = read_evaluated(
        folder,
        images,
        _label_map(Path(folder)),
        annotations=annotations,
        eval_command=eval_command,
    )
    exif: Exif = evaluation_metadata(folder).get("exif", "apply")
    return write_report(folder, dataset, results, exif=exif)


def read_evaluated(
    folder: str | Path,
    images: str | Path | None = None,
    label_map: LabelMap | None = None,
    *,
    annotations: str | Path | None = None,
    eval_command: str = "backbones eval",
) -> tuple[CocoDataset, DetectionResults]:
    """Read the data set and the detections that a folder's evaluation.json is about.

    `label_map=None` takes the file's classes; `images` and `annotations` replace the paths in
    evaluation.json, and `eval_command` is how the user starts an evaluation. Raises UserError where
    there is no evaluation.json, and for what it names.
    """
    folder = Path(folder)
    metadata = finished_evaluation(folder, "annotations", eval_command)
    file = Path(annotations or recorded_path(folder, metadata["annotations"]))
    if not file.is_file():
        rule = f"{folder} must be reported with the annotations that it was scored on"
        moved = "`--annotations FILE --images FOLDER` of `backbones report` names another place"
        again = f"or score it again: {_score_again(folder, eval_command)}"
        raise UserError(f"{rule}, found no file at {file.absolute()}; {moved}, {again}")
    image_root = images or recorded_path(folder, metadata.get("image_root", file.parent))
    exif: Exif = metadata.get("exif", "apply")
    dataset = read_coco(file, image_root, label_map=label_map, exif=exif)
    dataset = first_images(dataset, metadata["images"])
    _check_same(dataset, metadata)
    return dataset, _read_detections(folder, dataset)


def _check_same(dataset: CocoDataset, metadata: Mapping[str, Any]) -> None:
    """Refuse annotations that hold other numbers of images or objects than were scored."""
    objects = int((~dataset.crowd).sum())
    scored = (metadata["images"], metadata.get("objects", objects))
    if (len(dataset), objects) != scored:
        rule = f"{dataset.path} must be the annotations that were scored"
        counts = f"{scored[0]} images and {scored[1]} objects"
        seen = f"got {len(dataset)} and {objects}"
        raise UserError(f"{rule}, of {counts}, {seen}; give that file, or score again")


def scored_detections(folder: str | Path) -> int:
    """How many detections of a class and image a folder's evaluation scored."""
    limits = evaluation_metadata(folder).get("max_detections", [SCORED_DETECTIONS])
    return int(limits[-1])


def _score_again(folder: Path, eval_command: str) -> str:
    """The command that scores what a folder's evaluation is of, with other data."""
    metadata = evaluation_metadata(folder)
    if "results" in metadata:
        given = f"--results {shlex.quote(metadata['results'])} --annotations FILE --images FOLDER"
        return f"{eval_command} {given} --out {shlex.quote(str(folder))}"
    checkpoint = shlex.quote(metadata.get("checkpoint", str(folder)))
    return f"{eval_command} {checkpoint} data.val.annotations=FILE data.val.images=FOLDER"


def _read_detections(folder: Path, dataset: CocoDataset) -> DetectionResults:
    """The folder's own detections, or the results file that its evaluation.json names."""
    stated = evaluation_metadata(folder).get("results")
    file = folder / DETECTIONS if stated is None else recorded_path(folder, stated)
    return read_results_json(file, dataset)


def _label_map(folder: Path) -> LabelMap | None:
    """The run's classes, of the folder itself or of the run that its evaluation/ lies in."""
    for file in (folder / "label_map.json", folder.resolve().parent / "label_map.json"):
        if file.is_file():
            return LabelMap.from_json(json.loads(file.read_text(encoding="utf-8")))
    return None
