"""Check the data of a training's settings. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.datasets.checks.splits import find_splits
from tasks.datasets.semantic.check import check_semantic
from tasks.datasets.semantic.layout import SemanticSource, Split, locate_semantic
from tasks.engine.config_words import config_of_words
from tasks.engine.sinks import Console
from tasks.report.checks.telling import CheckByHand, Checked
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.sources import source_of


def _look(words: Sequence[str]) -> Checked:
    """Check the splits of a folder, or of settings: a file, overrides, or both."""
    config = config_of_words(SegmentationConfig, words)
    data = config.data

    def locate(split: Split) -> SemanticSource:
        source = source_of(data, split)
        locate_semantic(source)
        return source

    sources, missing = find_splits(locate, lambda split: data.split(split).is_named)
    report = check_semantic(sources, data.exif, track=Console().track)
    return Checked(report, missing, data.exif, config.run.seed)


check_data = CheckByHand(
    _look, "folders of masks do not have; repair or remove the files that are named"
)
