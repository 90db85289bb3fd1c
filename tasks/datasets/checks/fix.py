"""Write files of any format without the defects that a check found."""

from collections.abc import Sequence
from pathlib import Path

from tasks.datasets.checks.report import CheckReport


def fixed_files(out: str | Path, splits: Sequence[str]) -> list[Path]:
    """Return the files that `write_fixed` writes for the splits of those names."""
    path = Path(out)
    if len(splits) == 1:
        return [path]
    return [path.with_name(f"{path.stem}_{name}{path.suffix}") for name in splits]


def write_fixed(report: CheckReport, out: str | Path) -> str:
    """Write each split's corrected file; return lines about what was done.

    The file is `out` or, for several splits, `out` with the split's name added. Raises UserError
    if nothing can be fixed because the file itself cannot be read.
    """
    paths = fixed_files(out, [split.name for split in report.splits])
    lines = []
    for split, path in zip(report.splits, paths, strict=True):
        fixed = split.write_fixed(split.findings, path)
        done = ", ".join(f"{count} {kind}" for kind, count in fixed.done.items())
        if fixed.left:
            lines.append(f"{path}: not written, as errors are left that only you can correct:")
        else:
            lines.append(f"{path}: {done or 'nothing to fix'}")
        for finding in fixed.left:
            lines.append(f"  not fixed: {finding.kind}: {finding.record}: {finding.sentence}")
    return "\n".join(lines)
