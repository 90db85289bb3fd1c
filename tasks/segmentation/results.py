"""Evaluations: reported again, compared."""

from pathlib import Path
from typing import Any

from tasks.engine.commands import command
from tasks.engine.config import load_config, to_dict
from tasks.report.segmentation.build import remake_report
from tasks.report.segmentation.compare import Comparison, compare_runs
from tasks.segmentation.config import SegmentationConfig


def report_again(folder: str | Path, images: str | Path | None = None) -> Path:
    """Make the report.html of a run or an evaluation again; `remake_report` has the errors."""
    return remake_report(folder, images, eval_command=command("eval"))


def compare(run_a: str | Path, run_b: str | Path) -> Comparison:
    """Compare two runs or evaluations, their settings in the present form; `compare_runs` has the
    errors.
    """
    return compare_runs(run_a, run_b, read_settings=_present_settings, eval_command=command("eval"))


def _present_settings(file: Path) -> dict[str, Any]:
    return to_dict(load_config(SegmentationConfig, file, ()))
