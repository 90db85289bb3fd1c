"""The report of a classifier on a data set."""

from collections.abc import Callable
from pathlib import Path

from tasks.images import Exif, ImageSource
from tasks.labels import LabelMap
from tasks.report.build import Section, run_sections, try_report, write_page
from tasks.report.classification.evaluated import Evaluated, read_evaluated
from tasks.report.classification.pictures import mistakes_section, unsure_section
from tasks.report.classification.sections import (
    calibration_section,
    classes_section,
    confusion_section,
    headline,
    unused_classes,
)
from tasks.report.run import data_section
from tasks.report.title import report_title
from tasks.scoring.top_k import ClassResults


def class_sections(evaluated: Evaluated, folder: str | Path) -> list[Section]:
    """Return the sections of a classifier's report as (heading, HTML).

    `folder` tells of the run. Images that cannot be read are shown as blanks.
    """
    results = evaluated.results
    label_map = evaluated.label_map
    own = [
        ("Classes", classes_section(results, label_map)),
        ("Confusion", confusion_section(results, label_map)),
        ("Calibration", calibration_section(results)),
        ("Most confident mistakes", mistakes_section(evaluated)),
        ("Least confident hits", unsure_section(evaluated)),
    ]
    unused = unused_classes(results, label_map)
    entries = [
        ("data", evaluated.data),
        ("images", str(len(results))),
        ("classes", f"{label_map.num_classes}, {unused} without images"),
    ]
    data = data_section(entries, ())
    return run_sections(folder, scores=headline(results, label_map), own=own, data=data)


def write_report(folder: str | Path, evaluated: Evaluated) -> Path:
    """Write report.html about a classifier and return its path."""
    counts = f"{len(evaluated.results)} images, {evaluated.label_map.num_classes} classes"
    title = report_title(folder, evaluated.data)
    subtitle = f"{evaluated.data}: {counts}"
    return write_page(folder, title, subtitle, class_sections(evaluated, folder))


def report_classes(
    folder: str | Path,
    dataset_path: str,
    names: Callable[[int], str],
    read_image: Callable[[int], ImageSource],
    label_map: LabelMap,
    results: ClassResults,
    *,
    exif: Exif = "apply",
    report_command: str = "backbones report",
) -> str:
    """Write the report of a folder's evaluation and say where it is, or why there is none.

    `names` and `read_image` take the place of an image in the data set, from 0. `report_command` is
    how the user has a report made again.
    """
    evaluated = Evaluated(dataset_path, label_map, results, names, read_image, exif)
    return try_report(lambda: write_report(folder, evaluated), f"{report_command} {folder}")


def report_again(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    eval_command: str = "backbones eval",
) -> Path:
    """Write the report of a run or an evaluation again, from evaluation.json and predictions.csv.

    `read_evaluated` has the arguments and the errors.
    """
    return write_report(folder, read_evaluated(folder, images, eval_command=eval_command))
