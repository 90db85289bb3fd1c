"""Defects of a data set, in one form for every check and every use.

The readers of `checks/` yield findings as they look through files of any format.  The check prints
them, training refuses by them, and `--fix` corrects those that say how.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resnet_backbones.errors import UserError
from tasks.boxes import Box

Severity = Literal["error", "warning"]
SHOWN = 3  # findings that an error names


@dataclass(frozen=True, kw_only=True)
class Fix:
    """How a corrected file is written: by which remedy, and to which record."""

    remedy: str
    """The remedy, such as "drop" or "clip"; the writer of the format applies it."""
    records: str = ""
    """The list of the file that holds the record, such as "images"."""
    index: int = -1
    """The record's index in that list."""
    target: Any = None
    """The value that the remedy needs: the record to merge with, the right size …"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect of a data set."""

    kind: str
    """The defect's name, such as "box outside", for all of its kind."""
    severity: Severity
    file: str
    """The annotation file, or the image file that is wrong."""
    record: str
    """The record: "annotation 7", "image 3", "the file"."""
    rule: str
    """The rule and the value that was seen."""
    way_out: str
    """The way out, as a part of a sentence: "correct it or remove the annotation"."""
    image: Path | None = None
    """The image to show."""
    box: Box | None = None
    """The box to draw on it, (x, y, width, height) in its pixels."""
    fix: Fix | None = None
    """How `--fix` corrects it; None if it cannot."""

    @property
    def fixable(self) -> bool:
        """Whether `--fix` corrects it."""
        return self.fix is not None

    @property
    def sentence(self) -> str:
        """The rule and the way out."""
        return f"{self.rule}; {self.way_out}"

    def line(self, known: str = "") -> str:
        """Return the place and the sentence; `known` is a file that was named before and is not
        repeated.
        """
        places: list[str] = []
        if self.file != known and not self.rule.startswith(self.file):
            places.append(self.file)
        file = Path(self.file)
        if not f"/{file.as_posix()}".endswith((f"/{self.record}", f"/{self.record}{file.suffix}")):
            places.append(self.record)
        return ": ".join([*places, self.sentence])


def only_errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.severity == "error"]


def refusal(
    findings: Iterable[Finding], path: str | Path, check_command: str = "backbones check"
) -> UserError:
    """Make the error for a data set: its first findings, their number, and what to do.

    `path` is what the data set is read from; findings about other files name theirs.
    `check_command` is how the user starts a check.
    """
    listed = list(findings)
    lines = [f"{path}: annotations and images must be free of errors, found {len(listed)}:"]
    lines += [f"  {finding.line(str(path))}." for finding in listed[:SHOWN]]
    if len(listed) > SHOWN:
        lines.append(f"  … and {len(listed) - SHOWN} more.")
    advice = f"`{check_command}` lists every error"
    fixable = sum(finding.fixable for finding in listed)
    if fixable:
        which = "" if fixable == len(listed) else f" for {fixable} of them"
        advice += f"; with --fix OUT.json it writes a corrected file{which}"
    return UserError("\n".join([*lines, advice]))
