"""Files without the defects that a check found, of any format."""

from pathlib import Path

from tasks.datasets.checks.report import CheckReport


def write_fixed(report: CheckReport, out: str | Path) -> str:
    """Write each split's corrected file and say what was done.

    The file is `out` or, of several splits, `out` with the split's name added. Raises UserError
    where nothing can be fixed because the file itself cannot be read.
    """
    out = Path(out)
    lines = []
    for split in report.splits:
        path = out
        if len(report.splits) > 1:
            path = out.with_name(f"{out.stem}_{split.name}{out.suffix}")
        fixed = split.write_fixed(split.findings, path)
        done = ", ".join(f"{count} {kind}" for kind, count in fixed.done.items())
        if fixed.left:
            lines.append(f"{path}: not written, as errors are left that only you can mend:")
        else:
            lines.append(f"{path}: {done or 'nothing to fix'}")
        for finding in fixed.left:
            lines.append(f"  not fixed: {finding.kind}: {finding.record}: {finding.sentence}")
    return "\n".join(lines)
