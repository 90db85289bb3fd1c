"""Report the findings of a check in the splits of a data set, of any format, as text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.datasets.checks.overview import Overview
from tasks.datasets.findings import Finding, only_errors


@dataclass(frozen=True)
class Fixed:
    """The corrections of a file."""

    done: Mapping[str, int]
    """Number of corrections by the words that follow the number: {"boxes clipped": 3}."""
    left: tuple[Finding, ...]
    """Errors that only the user can correct; because of them no file was written."""


@dataclass(frozen=True, kw_only=True)
class CheckedSplit:
    """A split that was checked."""

    name: str
    source: Path
    """The annotation file or the folder that the split is read from."""
    findings: tuple[Finding, ...]
    contents: tuple[str, ...]
    """The contents of the split, line by line."""
    write_fixed: Callable[[Sequence[Finding], Path], Fixed]
    """Writes the split to a file, with these findings corrected as far as possible."""
    overview: Callable[[], Overview] | None = None
    """Makes its overview for a page; None if it cannot be read."""


@dataclass(frozen=True)
class CheckReport:
    """The findings in all splits."""

    splits: tuple[CheckedSplit, ...]
    findings: tuple[Finding, ...]
    """All findings, of the splits and between them, errors first."""

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return len(only_errors(self.findings))

    @property
    def warnings(self) -> int:
        """Number of findings that are warnings."""
        return len(self.findings) - self.errors

    def kinds(self) -> list[tuple[str, list[Finding]]]:
        """Group the findings by kind, in their order."""
        by_kind: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_kind.setdefault(finding.kind, []).append(finding)
        return list(by_kind.items())

    def text(self, shown: int | None) -> str:
        """Write the table, the findings and the contents of the splits, as text for a terminal.

        At most `shown` findings of each kind are listed; None lists all.
        """
        lines = self._table()
        for kind, findings in self.kinds():
            lines += ["", f"{kind}:"]
            lines += [f"  {finding.severity}: {finding.line()}" for finding in findings[:shown]]
            if shown is not None and len(findings) > shown:
                lines.append(f"  … and {len(findings) - shown} more; --all lists them")
        for split in self.splits:
            lines += ["", f"{split.name}: {split.source}"]
            lines += [f"  {line}" for line in split.contents]
        errors = "no errors"
        if self.errors:
            errors = f"{self.errors} error{'s' if self.errors > 1 else ''}"
        return "\n".join([*lines, "", f"{errors}, {self.warnings} warnings"])

    def _table(self) -> list[str]:
        """Make a line for each kind of finding: their number, and the place of the first."""
        if not self.findings:
            return ["no problems found"]
        lines = [f"{'severity':10}{'count':>7}  {'kind':24}first"]
        for kind, findings in self.kinds():
            first = findings[0]
            where = f"{Path(first.file).name}, {first.record}"
            lines.append(f"{first.severity:10}{len(findings):7}  {kind:24}{where}")
        return lines
