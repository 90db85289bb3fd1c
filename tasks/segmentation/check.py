"""Check the data that the settings of a training name.  Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_backbones.errors import UserError
from tasks.datasets.checks.page import CheckByHand, Checked
from tasks.datasets.semantic.check import check_semantic
from tasks.datasets.semantic.layout import SemanticSource, locate_semantic
from tasks.engine.config import config_of_words
from tasks.engine.sinks import Console
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.sources import Split, source_of
from tasks.vision.settings_semantic import SemanticDataConfig

SPLITS: tuple[Split, ...] = ("train", "val")


def _look(data: Sequence[str]) -> Checked:
    """Look through the splits that a folder, or settings, name: a file and overrides, or either."""
    config = config_of_words(SegmentationConfig, data)
    sources, missing = _find_splits(config.data)
    report = check_semantic(sources, config.data.exif, track=Console().track)
    return report, missing, config.data.exif


def _find_splits(config: SemanticDataConfig) -> tuple[dict[str, SemanticSource], list[str]]:
    """The splits that are there, and why others are not; one that the settings name must be."""
    sources: dict[str, SemanticSource] = {}
    missing: list[str] = []
    for name in SPLITS:
        source = source_of(config, name)
        try:
            locate_semantic(source)
        except UserError as error:
            if source.images is not None or source.masks is not None:
                raise
            missing.append(str(error))
        else:
            sources[name] = source
    if not sources:
        raise UserError("; ".join(missing))
    return sources, missing


check_data = CheckByHand(
    _look, "folders of masks do not have; mend or remove the files that are named"
)
