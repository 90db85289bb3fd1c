"""Write a check's findings and an overview of the data as one self-contained HTML page."""

import os
from datetime import UTC, datetime
from pathlib import Path

from tasks.datasets.checks.report import CheckReport
from tasks.files import write_text
from tasks.images import Exif
from tasks.report.checks import charts, findings, splits
from tasks.report.checks.findings import findings_of_a_kind, findings_table
from tasks.report.checks.splits import split_section
from tasks.report.page import page, paragraph


def write_page(report: CheckReport, out: str | Path, exif: Exif, seed: int = 0) -> None:
    """Write random images and charts of each split, and each finding with its thumbnail.

    `seed` draws the images.
    """
    found = findings_table(report) if report.findings else paragraph("No problems found.")
    sections = [("Findings", found)]
    for split in report.splits:
        sections.append((f"Split {split.name}", split_section(split, seed)))
    details = [findings_of_a_kind(kind, listed, exif) for kind, listed in report.kinds()]
    if details:
        sections.append(("Each finding", "".join(details)))
    style = charts.STYLE + findings.STYLE + splits.STYLE
    title = f"Data check: {_name(report)}"
    text = page(title, _summary(report), sections, more_style=style)
    whole = text.encode("utf-8", "backslashreplace").decode()  # half characters, as escapes
    write_text(Path(out), whole)


def _name(report: CheckReport) -> str:
    """Common name of the splits: the end of the folder that holds them."""
    places = [str(split.source.absolute()) for split in report.splits]
    common = Path(os.path.commonpath(places))
    return str(Path(*common.parts[-2:]))


def _summary(report: CheckReport) -> str:
    names = ", ".join(split.name for split in report.splits)
    when = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    errors = "1 error" if report.errors == 1 else f"{report.errors} errors"
    warnings = "1 warning" if report.warnings == 1 else f"{report.warnings} warnings"
    return f"{errors}, {warnings} · {names} · checked {when}"
