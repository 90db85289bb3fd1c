"""What is made of an evaluation that is on disk: its report, and the comparison with another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.classification.config import ClassificationConfig
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.commands import command
from tasks.engine.config import load_config, to_dict
from tasks.images import ImageSource
from tasks.report.build import try_report
from tasks.report.classification.build import report_again as write_again
from tasks.report.classification.build import write_report
from tasks.report.classification.compare import Comparison, compare_runs
from tasks.report.classification.evaluated import read_evaluated


def report_run(folder: str | Path, images: ClassImages) -> str:
    """Write the report of an evaluation of these images and say where it is, or why there is
    none.
    """

    def make() -> Path:
        places = {images.name(place): place for place in range(len(images))}
        evaluated = read_evaluated(folder)

        def read(row: int) -> ImageSource:
            return images.read(places[evaluated.name(row)])

        return write_report(folder, replace(evaluated, read_image=read))

    return try_report(make, f"{command('report')} {folder}")


def report_again(folder: str | Path, images: str | Path | None = None) -> Path:
    """Write the report of a run or an evaluation again; `images` replaces the folder of images.

    UserError where a file of the evaluation is missing or damaged.
    """
    return write_again(folder, images, eval_command=command("eval"))


def compare(run_a: str | Path, run_b: str | Path) -> Comparison:
    """Compare the last evaluations in two folders of runs or evaluations."""
    return compare_runs(
        run_a,
        run_b,
        read_settings=lambda path: to_dict(load_config(ClassificationConfig, path, [])),
        eval_command=command("eval"),
    )
