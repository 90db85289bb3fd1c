"""Read the data set of a split that the settings name. Imports no torch."""

from __future__ import annotations

from tasks.datasets.semantic.dataset import SemanticDataset, check_labels, first_images
from tasks.datasets.semantic.layout import Split
from tasks.datasets.semantic.read import read_semantic
from tasks.labels import LabelMap
from tasks.segmentation.sources import source_of
from tasks.vision.settings_semantic import SemanticDataConfig


def read_split(
    config: SemanticDataConfig,
    split: Split,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
    check_command: str = "backbones check",
) -> SemanticDataset:
    """Read the images and labels of a split, with the labels of `label_map` if given.

    `check_sizes=False` skips headers and labels on a rank if another one reads them;
    data.check_sizes=false skips them on all. Raises UserError that says what is wrong with the
    paths or the data, and that `check_command` lists more.
    """
    dataset = read_semantic(
        source_of(config, split),
        label_map=label_map,
        check_sizes=check_sizes and config.check_sizes,
        exif=config.exif,
        check_command=check_command,
    )
    limit = config.split(split).limit
    chosen = dataset if limit is None else first_images(dataset, limit)
    if check_sizes and config.check_sizes:
        check_labels(chosen)
    return chosen
