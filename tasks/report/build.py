"""report.html: everything about one evaluation on one page, made from files and therefore again at
any time.
"""

import json
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, first_images, read_coco
from tasks.images import Exif
from tasks.labels import LabelMap
from tasks.report.images import extremes, gallery
from tasks.report.instances.analysis import analyse
from tasks.report.instances.sections import (
    calibration_section,
    classes_section,
    confusion_section,
    curves_section,
    data_section,
    errors_section,
    headline,
    operating_section,
)
from tasks.report.page import page, paragraph
from tasks.report.run import settings_section, training_section
from tasks.scoring.results import DetectionResults, read_results_json

REPORT, EVALUATION, DETECTIONS = "report.html", "evaluation.json", "detections.json"


def write_report(
    folder: str | Path, dataset: CocoDataset, results: DetectionResults, *, exif: Exif = "apply"
) -> Path:
    """Write report.html about detections on a data set, with what else `folder` tells of the run;
    the file's path.

    The page is one file without scripts. The same files give the same bytes. Image files that are
    missing are shown as blanks.
    """
    folder = Path(folder)
    analysis = analyse(dataset, results)
    worst, best = extremes(analysis.images)
    training = training_section(folder)
    sections = [
        ("Scores", headline(analysis)),
        *([("Training", training)] if training else []),
        ("Classes and sizes", classes_section(analysis)),
        ("Precision and recall", curves_section(analysis)),
        ("Operating point", operating_section(analysis)),
        ("Errors", errors_section(analysis)),
        ("Confusion", confusion_section(analysis)),
        ("Calibration", calibration_section(analysis)),
        (
            "Worst images",
            _EXPLAINED + gallery(dataset, analysis.used, analysis.images, worst, exif),
        ),
        ("Best images", gallery(dataset, analysis.used, analysis.images, best, exif)),
        ("Data", data_section(dataset, analysis)),
        ("Settings", settings_section(folder, _about(folder))),
    ]
    title = f"Detections of {folder.resolve().name}"
    counts = (
        f"{len(dataset)} images, {int((~dataset.crowd).sum())} objects, {len(results)} detections"
    )
    file = folder / REPORT
    file.write_text(page(title, f"{dataset.path}: {counts}", sections), encoding="utf-8")
    return file


_EXPLAINED = paragraph(
    "By F1 of the image at the classes' operating points, IoU 0.50. Ground truth on the left,"
    " detections on the right."
)


def try_report(folder: str | Path, dataset: CocoDataset, *, exif: Exif = "apply") -> str:
    """Write the report of a folder's detections and tell where it is, or why there is none.

    A fault in a page about results must not end a training whose results are saved, so every
    exception becomes text.
    """
    try:
        return str(
            write_report(folder, dataset, _read_detections(Path(folder), dataset), exif=exif)
        )
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return (
            f"none, as making it failed ({reason}); all else is saved, and tools/report.py {folder}"
            " tries again"
        )


def remake_report(folder: str | Path, images: str | Path | None = None) -> Path:
    """Write the report of a run's or an evaluation's folder again, from its files and the data set
    they name.

    `images` replaces the folder of images. UserError where evaluation.json or what it names is
    missing.
    """
    dataset, results = read_evaluated(folder, images, _label_map(Path(folder)))
    return write_report(folder, dataset, results, exif=_about(Path(folder)).get("exif", "apply"))


def read_evaluated(
    folder: str | Path, images: str | Path | None = None, label_map: LabelMap | None = None
) -> tuple[CocoDataset, DetectionResults]:
    """The data set and the detections that a folder's evaluation.json is about; None takes the
    file's classes.
    """
    folder = Path(folder)
    about = _about(folder)
    if "annotations" not in about:
        way_out = f"found none in {folder}; tools/eval_det.py CHECKPOINT --out {folder} writes it"
        raise UserError(f"a report needs the {EVALUATION} of a finished evaluation, {way_out}")
    root = images or about.get("image_root")
    dataset = read_coco(
        about["annotations"], root, label_map=label_map, exif=about.get("exif", "apply")
    )
    dataset = first_images(dataset, about["images"])
    return dataset, _read_detections(folder, dataset)


def _read_detections(folder: Path, dataset: CocoDataset) -> DetectionResults:
    """The folder's own detections, or the results file that its evaluation.json names."""
    return read_results_json(_about(folder).get("results", folder / DETECTIONS), dataset)


def _label_map(folder: Path) -> LabelMap | None:
    """The run's classes, of the folder itself or of the run that its evaluation/ lies in."""
    for file in (folder / "label_map.json", folder.resolve().parent / "label_map.json"):
        if file.is_file():
            return LabelMap.from_json(json.loads(file.read_text(encoding="utf-8")))
    return None


def _about(folder: Path) -> dict[str, Any]:
    """What evaluation.json says besides scores; nothing where there is no such file."""
    file = folder / EVALUATION
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {name: value for name, value in content.items() if name != "scores"}
