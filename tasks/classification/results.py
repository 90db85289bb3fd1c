"""Make the report of an evaluation while its images are available."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.commands import command
from tasks.images import ImageSource
from tasks.report.build import try_report
from tasks.report.classification.build import write_report
from tasks.report.classification.evaluated import read_evaluated


def report_run(folder: str | Path, images: ClassImages) -> str:
    """Write the report of an evaluation of these images; return its place, or why there is none."""

    def make() -> Path:
        places = {images.name(place): place for place in range(len(images))}
        evaluated = read_evaluated(folder)

        def read(row: int) -> ImageSource:
            return images.read(places[evaluated.name(row)])

        return write_report(folder, replace(evaluated, read_image=read))

    return try_report(make, f"{command('report')} {folder}")
