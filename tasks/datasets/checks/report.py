"""What a check found in the splits of a data set, of any format, as text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.datasets.checks.overview import Overview
from tasks.datasets.findings import Finding, only_errors


@dataclass(frozen=True)
class Fixed:
    """What a corrected file has been rid of."""

    done: Mapping[str, int]
    """What was done, in words that follow its number: {"boxes clipped": 3}."""
    left: tuple[Finding, ...]
    """Errors that only the user can mend, for which no file was written."""


@dataclass(frozen=True, kw_only=True)
class CheckedSplit:
    """A split that was looked through."""

    name: str
    source: Path
    """The annotation file or the folder that the split is read from."""
    findings: tuple[Finding, ...]
    contents: tuple[str, ...]
    """What the split holds, line by line."""
    write_fixed: Callable[[Sequence[Finding], Path], Fixed]
    """Writes the split without these findings, as far as they can be fixed, to a file."""
    overview: Callable[[], Overview] | None = None
    """Gives what a page shows of it; None where it cannot be read."""


@dataclass(frozen=True)
class CheckReport:
    """What was found in all splits."""

    splits: tuple[CheckedSplit, ...]
    findings: tuple[Finding, ...]
    """Those of the splits and of what is beside them, errors first."""

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return len(only_errors(self.findings))

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return len(self.findings) - self.errors

    def kinds(self) -> list[tuple[str, list[Finding]]]:
        """Group the findings by kind, in their order."""
        by_kind: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_kind.setdefault(finding.kind, []).append(finding)
        return list(by_kind.items())

    def text(self, shown: int | None) -> str:
        """Write the table, the findings and what the splits hold, as text for a terminal.

        `shown` is how many findings of each kind are named at most; None names all.
        """
        lines = self._table()
        for kind, findings in self.kinds():
            lines += ["", f"{kind}:"]
            lines += [f"  {finding.severity}: {finding.line()}" for finding in findings[:shown]]
            if shown is not None and len(findings) > shown:
                lines.append(f"  … and {len(findings) - shown} more; --all names them")
        for split in self.splits:
            lines += ["", f"{split.name}: {split.source}"]
            lines += [f"  {line}" for line in split.contents]
        errors = "no errors"
        if self.errors:
            errors = f"{self.errors} error{'s' if self.errors > 1 else ''}"
        return "\n".join([*lines, "", f"{errors}, {self.warnings} warnings"])

    def _table(self) -> list[str]:
        """A line for each kind of finding: how many there are, and where the first is."""
        if not self.findings:
            return ["no problems found"]
        lines = [f"{'severity':10}{'count':>7}  {'kind':24}first"]
        for kind, findings in self.kinds():
            first = findings[0]
            where = f"{Path(first.file).name}, {first.record}"
            lines.append(f"{first.severity:10}{len(findings):7}  {kind:24}{where}")
        return lines
