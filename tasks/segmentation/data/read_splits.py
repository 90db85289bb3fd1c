"""The data set of a split that the settings name.  Imports no torch."""

from __future__ import annotations

from functools import partial

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.dataset import SemanticDataset, first_images
from tasks.datasets.semantic.layout import Split
from tasks.datasets.semantic.read import read_semantic
from tasks.engine.distributed import World
from tasks.engine.splits import read_both
from tasks.labels import IGNORED, LabelMap
from tasks.segmentation.sources import source_of
from tasks.vision.settings_semantic import SemanticDataConfig


def read_splits(
    config: SemanticDataConfig, world: World, check_command: str = "backbones check"
) -> tuple[SemanticDataset, SemanticDataset]:
    """Training and validation split, the latter with the former's labels; one rank a machine checks
    the files. Raises UserError as `read_split` does.
    """
    return read_both(partial(read_split, config), world.local_rank, check_command)


def read_split(
    config: SemanticDataConfig,
    split: Split,
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
    check_command: str = "backbones check",
) -> SemanticDataset:
    """The images and labels of a split, with the labels of `label_map` if given.

    `check_sizes=False` spares a rank the reading of headers that another one does;
    data.check_sizes=false spares all. Raises UserError that says what is wrong with the paths or
    the data, and that `check_command` tells more.
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
        _check_counting(chosen)
    return chosen


def _check_counting(dataset: SemanticDataset) -> None:
    """Raise UserError where every pixel of every image is ignored; reads until one is not."""
    if any((dataset.read_labels(index) != IGNORED).any() for index in range(len(dataset))):
        return
    rule = f"{dataset.path} must hold pixels of a class, got no pixel that is not ignored"
    raise UserError(f"{rule} in {len(dataset)} images; check data.classes and data.ignore")
