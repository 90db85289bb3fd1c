"""What a check tells: text for a terminal, and a page where one is named."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.report import CheckReport
from tasks.images import Exif
from tasks.outputs import Outputs
from tasks.report.checks.page import write_page


@dataclass(frozen=True)
class Checked:
    """What was looked at, and how."""

    report: CheckReport
    missing: Sequence[str]
    """Why other splits were not looked at."""
    exif: Exif
    """How images were decoded."""
    seed: int
    """Draws the images that a page shows."""


@dataclass(frozen=True)
class CheckByHand:
    """The check of data that no corrected file can mend; call it with what a command line names."""

    look: Callable[[Sequence[str]], Checked]
    unfixable: str
    """Why, and the way out."""

    def __call__(
        self,
        data: Sequence[str],
        *,
        shown: int | None = None,
        fix: str | None = None,
        page: str | None = None,
        force: bool = False,
    ) -> tuple[CheckReport, str]:
        """Return the findings and their text with at most `shown` of each kind; write the HTML page
        where it is named.

        Raises UserError where the data cannot be found, for `fix`, and for a page that is a file of
        the user, unless `force`.
        """
        if fix is not None:
            raise UserError(f"--fix writes a corrected file of annotations, which {self.unfixable}")
        with owned_page(page, force):
            checked = self.look(data)
            return checked.report, told(checked, shown, page)


def owned_page(page: str | None, force: bool) -> AbstractContextManager[None]:
    """Context in which a check writes its page, where one is named."""
    outputs = Outputs(by="check", force=force, endings=(".html", ".htm"))
    return outputs.owning(*([] if page is None else [Path(page)]))


def told(checked: Checked, shown: int | None, page: str | None) -> str:
    """The findings as text, at most `shown` of each kind, and why what is missing was not checked;
    writes the page where one is named.
    """
    report = checked.report
    lines = [report.text(shown), *(f"not checked: {reason}" for reason in checked.missing)]
    if page is not None:
        write_page(report, page, checked.exif, checked.seed)
        lines.append(f"page: {page}")
    return "\n".join(lines)
