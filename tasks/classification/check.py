"""Check the data that the settings of a training name.  Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.classification.config import ClassificationConfig
from tasks.classification.data_config import DataConfig
from tasks.datasets.checks.page import write_page
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.class_images.check import check_class_splits
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.datasets.class_images.layout import locate_class_images
from tasks.engine.config import load_config
from tasks.engine.sinks import Console


def check_data(
    data: Sequence[str],
    *,
    shown: int | None = None,
    fix: str | None = None,
    page: str | None = None,
) -> tuple[CheckReport, str]:
    """Check what a command line names: a folder with the splits, or settings.

    Settings are a file and overrides, or either. Returns the findings and their text with at most
    `shown` of each kind; writes the HTML page where it is named. Raises UserError where the data
    cannot be found, and for `fix`, as images are mended by hand.
    """
    if fix is not None:
        rule = "--fix writes a corrected file of annotations, which class images do not have"
        raise UserError(f"{rule}; move or remove the images that are named")
    config = _settings(data)
    splits, missing = _read_splits(config.data)
    report = check_class_splits(splits, config.data.exif, track=Console().track)
    lines = [report.text(shown), *(f"not checked: {reason}" for reason in missing)]
    if page is not None:
        write_page(report, page, config.data.exif)
        lines.append(f"page: {page}")
    return report, "\n".join(lines)


def is_class_data(folder: Path) -> bool:
    """Whether a folder holds a split of class images under a usual name."""
    try:
        read_class_images(locate_class_images(folder, "train"), "train")
    except UserError:
        return False
    return True


def _settings(data: Sequence[str]) -> ClassificationConfig:
    """The settings that the words of a command line make."""
    overrides = [word for word in data if "=" in word and not Path(word).exists()]
    paths = [word for word in data if word not in overrides]
    if len(paths) > 1:
        raise UserError(f"give a folder, or one settings file; got {', '.join(paths)}")
    if paths and not Path(paths[0]).is_file():
        return load_config(ClassificationConfig, None, [f"data.root={paths[0]}", *overrides])
    return load_config(ClassificationConfig, paths[0] if paths else None, overrides)


def _read_splits(config: DataConfig) -> tuple[dict[str, ClassImages], list[str]]:
    """The splits that are there, and why others are not; validation images with the classes of
    training, where both are.
    """
    splits: dict[str, ClassImages] = {}
    missing: list[str] = []
    names: tuple[Literal["train", "val"], ...] = ("train", "val")
    for name in names:
        given = config.train if name == "train" else config.val
        try:
            path = locate_class_images(config.root, name, given)
        except UserError as error:
            missing.append(str(error))
            continue
        known = splits["train"].label_map if "train" in splits else None
        splits[name] = read_class_images(path, name, known)
    if not splits:
        raise UserError("; ".join(missing))
    return splits, missing
