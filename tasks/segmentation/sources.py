"""Where the settings say that a split is.  Imports no torch."""

from __future__ import annotations

from typing import Literal

from tasks.datasets.semantic.layout import SemanticSource
from tasks.vision.settings_semantic import SemanticDataConfig

Split = Literal["train", "val"]


def source_of(config: SemanticDataConfig, split: Split) -> SemanticSource:
    """Where a split is, and how its labels are read."""
    own = config.train if split == "train" else config.val
    return SemanticSource(
        root=config.root,
        split=split,
        images=own.images,
        masks=own.annotations,
        kind=config.labels,
        classes=config.classes,
        ignore=config.ignore,
    )
