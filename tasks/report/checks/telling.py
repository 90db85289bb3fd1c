"""Print a check's findings, and write its page if one is named."""

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
    """Findings of a check, and how the data were read."""

    report: CheckReport
    missing: Sequence[str]
    """Reasons why other splits were not checked."""
    exif: Exif
    """EXIF setting that the images were decoded with."""
    seed: int
    """Seed of the images that a page shows."""


@dataclass(frozen=True)
class CheckByHand:
    """Check of data that no corrected file can mend; it is called with the options of the command
    line.
    """

    look: Callable[[Sequence[str]], Checked]
    unfixable: str
    """Error for `--fix`: the reason, and the way out."""

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
        if it is named.

        Raises UserError if the data cannot be found, for `fix`, and for a page that is a file of
        the user, unless `force`.
        """
        if fix is not None:
            raise UserError(f"--fix writes a corrected file of annotations, which {self.unfixable}")
        with owned_page(page, force):
            checked = self.look(data)
            return checked.report, told(checked, shown, page)


def owned_page(page: str | None, force: bool) -> AbstractContextManager[None]:
    """Context in which a check writes its page, if one is named."""
    outputs = Outputs(by="check", force=force, endings=(".html", ".htm"))
    return outputs.owning(*([] if page is None else [Path(page)]))


def told(checked: Checked, shown: int | None, page: str | None) -> str:
    """Findings as text, at most `shown` of each kind, and the reasons why splits are missing;
    writes the page if one is named.
    """
    report = checked.report
    lines = [report.text(shown), *(f"not checked: {reason}" for reason in checked.missing)]
    if page is not None:
        write_page(report, page, checked.exif, checked.seed)
        lines.append(f"page: {page}")
    return "\n".join(lines)
