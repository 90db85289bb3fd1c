"""Find a split by the settings. Imports no torch."""

from __future__ import annotations

from tasks.datasets.semantic.layout import SemanticSource, Split
from tasks.vision.settings_semantic import SemanticDataConfig


def source_of(config: SemanticDataConfig, split: Split) -> SemanticSource:
    """Return the place of a split, and how its labels are read."""
    own = config.split(split)
    return SemanticSource(
        root=config.root,
        split=split,
        images=own.images,
        masks=own.annotations,
        kind=config.labels,
        classes=config.classes,
        ignore=config.ignore,
    )
