"""Check the data of a training's settings. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.fix import fixed_files, write_fixed
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.checks.splits import Name, find_splits
from tasks.datasets.coco.layout import locate_split
from tasks.detection.config import DataConfig, DetectionConfig
from tasks.engine.config import load_config
from tasks.engine.sinks import Console
from tasks.outputs import Outputs
from tasks.report.checks.telling import Checked, owned_page, told


def check_data(
    data: Sequence[str],
    *,
    shown: int | None = None,
    fix: str | None = None,
    page: str | None = None,
    force: bool = False,
) -> tuple[CheckReport, str]:
    """Check the data of a command line: a folder, a folder and a JSON file, or settings.

    Settings are a file and overrides, or either. Returns the findings and their text with at most
    `shown` of each kind; writes the corrected file and the HTML page if they are named. Raises
    UserError if the data cannot be found, and if one of the two is a file of the user, unless
    `force`.
    """
    config, splits, missing = _read_arguments(data)
    fixed = [] if fix is None else fixed_files(fix, [split.name for split in splits])
    annotations = tuple(split.annotations for split in splits)
    outputs = Outputs(by="check", force=force, inputs=annotations, endings=(".json",))
    with owned_page(page, force), outputs.owning(*fixed):
        report = check(splits, exif=config.data.exif, grid=_grid(config), track=Console().track)
        checked = Checked(report, missing, config.data.exif, config.run.seed)
        lines = [told(checked, shown, page)]
        if fix is not None:
            lines.append(write_fixed(report, fix))
    return report, "\n".join(lines)


def _read_arguments(data: Sequence[str]) -> tuple[DetectionConfig, list[Split], list[str]]:
    """Return the settings, the splits that were found, and why others were not."""
    overrides = [text for text in data if "=" in text and not Path(text).exists()]
    paths = [text for text in data if text not in overrides]
    if len(paths) == 2 and Path(paths[0]).is_dir():
        config = load_config(DetectionConfig, None, overrides)
        return config, [Split("data", Path(paths[0]), Path(paths[1]))], []
    if len(paths) > 1:
        raise UserError(
            "give a folder, or IMAGES ANNOTATIONS.json, or one settings file; got"
            f" {', '.join(paths)}"
        )
    settings = paths[0] if paths else None
    if settings is not None and Path(settings).is_dir():
        overrides = [f'data.root="{Path(settings)}"', *overrides]  # in quotes it is a text
        settings = None
    config = load_config(DetectionConfig, settings, overrides)
    splits, missing = _find_splits(config.data)
    return config, splits, missing


def _find_splits(data: DataConfig) -> tuple[list[Split], list[str]]:
    """Return the splits that exist, and why others do not."""

    def locate(name: Name) -> Split:
        own = data.split(name)
        images, annotations = locate_split(data.root, name, own.images, own.annotations)
        masks = name == "train" and data.copy_paste > 0
        return Split(name, images, annotations, needs_masks=masks, keep_empty=data.keep_empty)

    splits, missing = find_splits(locate, lambda name: data.split(name).is_named)
    return list(splits.values()), missing


def _grid(config: DetectionConfig) -> AnchorGrid:
    """Return the anchors and the resize of a detector with these settings."""
    data = config.data
    anchors = config.model.anchors
    return AnchorGrid(
        sizes=anchors.sizes,
        ratios=anchors.ratios,
        short_edge=data.test_short_edge,
        long_edge=data.long_edge,
        size_divisor=data.size_divisor,
    )
