"""report.html: everything about one evaluation on one page, of any task.

It is one file that needs no network, made from files and therefore again at any time; the same
files give the same bytes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.files import write_text
from tasks.report.page import page
from tasks.report.run import evaluation_metadata, settings_section, training_section
from tasks.report.title import Title

REPORT = "report.html"
Section = tuple[str, str]  # heading, HTML


def write_page(
    folder: str | Path, title: Title, subtitle: str, sections: Sequence[Section]
) -> Path:
    """Write the sections as the folder's report.html and return its path.

    The file is written beside and renamed, so an older page stays whole until then.
    """
    file = Path(folder) / REPORT
    write_text(file, page(title.heading, subtitle, sections, details=title.details))
    return file


def run_sections(
    folder: str | Path, *, scores: str, own: Sequence[Section], data: str
) -> list[Section]:
    """Put a task's sections among those that every report has, in the order of all reports.

    `scores`, the headline numbers, and `data` are HTML; a folder without a training has no section
    about it.
    """
    folder = Path(folder)
    training = training_section(folder)
    return [
        ("Scores", scores),
        *([("Training", training)] if training else []),
        *own,
        ("Data", data),
        ("Settings", settings_section(folder, evaluation_metadata(folder))),
    ]


def try_report(make: Callable[[], Path], retry_command: str) -> str:
    """Make a report; return its path, or the reason why there is none.

    A fault in a page about results must not end a training whose results are saved, so every
    exception becomes text, with the command that tries again.
    """
    try:
        return str(make())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return (
            f"none, as making it failed ({reason}); the results are saved, and"
            f" {retry_command} tries again"
        )
