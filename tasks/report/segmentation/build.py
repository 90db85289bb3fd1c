"""The report of labels of every pixel of a data set."""

from pathlib import Path

from tasks.report.build import Section, run_sections, try_report, write_page
from tasks.report.segmentation.evaluated import Evaluated, read_evaluated
from tasks.report.segmentation.images import worst_section
from tasks.report.segmentation.sections import (
    classes_section,
    confusion_section,
    headline,
    scored_data_section,
)
from tasks.report.title import report_title


def segmentation_sections(evaluated: Evaluated, folder: str | Path) -> list[Section]:
    """Return the sections of a segmenter's report as (heading, HTML).

    `folder` tells of the run. Images that cannot be read are shown as blanks.
    """
    own = [
        ("Classes", classes_section(evaluated)),
        ("Confusion", confusion_section(evaluated)),
        ("Worst images", worst_section(evaluated)),
    ]
    data = scored_data_section(evaluated)
    return run_sections(folder, scores=headline(evaluated), own=own, data=data)


def write_report(folder: str | Path, evaluated: Evaluated) -> Path:
    """Write report.html about labels of every pixel and return its path."""
    counts = f"{len(evaluated.results)} images, {evaluated.label_map.num_classes} classes"
    title = report_title(folder, evaluated.data)
    subtitle = f"{evaluated.data}: {counts}"
    return write_page(folder, title, subtitle, segmentation_sections(evaluated, folder))


def report_segmentation(folder: str | Path, *, report_command: str = "backbones report") -> str:
    """Write the report of a folder's evaluation and say where it is, or why there is none.

    `report_command` is how the user has a report made again.
    """
    return try_report(lambda: remake_report(folder), f"{report_command} {folder}")


def remake_report(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    eval_command: str = "backbones eval",
) -> Path:
    """Write the report of a run or an evaluation again, from evaluation.json and pixels.npz.

    `read_evaluated` has the arguments and the errors.
    """
    return write_report(folder, read_evaluated(folder, images, eval_command=eval_command))
