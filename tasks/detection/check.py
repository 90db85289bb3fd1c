"""Check the data that the settings of a training name.  Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Report, Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.checks.page import write_page
from tasks.datasets.coco.layout import locate_split
from tasks.detection.config import DataConfig, DetectionConfig
from tasks.engine.config import load_config


def check_data(
    data: Sequence[str],
    *,
    shown: int | None = None,
    fix: str | None = None,
    page: str | None = None,
) -> tuple[Report, str]:
    """Check what a command line names: a folder, a folder and a JSON file, or settings and
    overrides.

    Returns the findings and their text with at most `shown` of each kind; writes the corrected file
    and the HTML page where they are named. Raises UserError where the data cannot be found.
    """
    config, splits, notes = _read_arguments(data)
    report = check(splits, exif=config.data.exif, grid=_grid(config))
    text = "\n".join([report.text(shown), *notes])
    if page is not None:
        write_page(report, page, config.data.exif)
        text += f"\npage: {page}"
    if fix is not None:
        text += f"\n{write_fixed(report, fix)}"
    return report, text


def _read_arguments(data: Sequence[str]) -> tuple[DetectionConfig, list[Split], list[str]]:
    """The settings, the splits that were found, and what to say of the others."""
    overrides = [text for text in data if "=" in text and not Path(text).exists()]
    paths = [text for text in data if text not in overrides]
    if len(paths) == 2 and Path(paths[0]).is_dir():
        return (
            load_config(DetectionConfig, None, overrides),
            [Split("data", Path(paths[0]), Path(paths[1]))],
            [],
        )
    if len(paths) > 1:
        raise UserError(
            "give a folder, or IMAGES ANNOTATIONS.json, or one settings file; got"
            f" {', '.join(paths)}"
        )
    if paths and Path(paths[0]).is_dir():
        config = load_config(DetectionConfig, None, [f"data.root={Path(paths[0])}", *overrides])
    else:
        config = load_config(DetectionConfig, paths[0] if paths else None, overrides)
    return (config, *_find_splits(config.data))


def _find_splits(config: DataConfig) -> tuple[list[Split], list[str]]:
    """The splits that are there; one that the settings name must be, of those under data.root one
    is enough.
    """
    splits: list[Split] = []
    missing: list[str] = []
    names: tuple[Literal["train", "val"], ...] = ("train", "val")
    for name in names:
        own = config.train if name == "train" else config.val
        try:
            splits.append(
                Split(name, *locate_split(config.root, name, own.images, own.annotations))
            )
        except UserError as error:
            if own.images is not None or own.annotations is not None:
                raise
            missing.append(str(error))
    if not splits:
        raise UserError("; ".join(missing))
    return splits, [f"not checked: {text}" for text in missing]


def _grid(config: DetectionConfig) -> AnchorGrid:
    data, anchors = config.data, config.model.anchors
    return AnchorGrid(
        sizes=anchors.sizes,
        ratios=anchors.ratios,
        short_edge=data.test_short_edge,
        long_edge=data.long_edge,
        size_divisor=data.size_divisor,
    )
