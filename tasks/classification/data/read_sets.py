"""Read the images that the settings name. N images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from resnet_backbones.errors import UserError
from tasks.classification.data_config import DataConfig
from tasks.datasets.class_images.addresses import find_addresses, without_query
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.datasets.class_images.layout import locate_class_images
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.engine.randomness import mix_keys
from tasks.labels import LabelMap

_HOLDOUT = -1  # in place of the epoch, which counts from 0
_SCORED = -2
_ANY_SEED = 0  # trainings with different seeds are scored on the same images


@dataclass(frozen=True)
class Sets:
    """The images for training and for scoring."""

    train: ClassImages | RemoteShards
    val: ClassImages
    train_scored: ClassImages | None
    """Training images that are scored too, if the settings say so; None for a stream."""


def read_sets(config: DataConfig, seed: int) -> Sets:
    """Read the training images, and the validation or held-out ones with the same classes.

    UserError if there are none, and for a validation class that training does not have. A stream's
    labels count the classes of the validation images.
    """
    if config.streamed:
        val = read_split(config, "val")
        return Sets(open_stream(config, val.label_map), val, None)
    train = read_split(config, "train")
    if config.holdout:
        train, val = hold_out(train, config.holdout, seed)
    else:
        val = read_split(config, "val", train.label_map)
    scored = train
    if config.train_scored is not None and config.train_scored < len(train):
        order = _shuffled(train, _ANY_SEED, _SCORED)
        scored = train.select(np.sort(order[: config.train_scored]))
    return Sets(train, val, scored)


def open_stream(config: DataConfig, label_map: LabelMap) -> RemoteShards:
    """Return the training images at addresses; nothing is read yet."""
    assert config.train is not None
    assert config.train_images is not None
    addresses = find_addresses(config.train)
    path = without_query(config.train)
    return RemoteShards(path, addresses, config.train_images, label_map)


def read_split(
    config: DataConfig, split: Literal["train", "val"], label_map: LabelMap | None = None
) -> ClassImages:
    """Read the images of a split, with the classes of `label_map` if given."""
    given = config.train if split == "train" else config.val
    path = locate_class_images(config.root, split, given)
    return read_class_images(path, split, label_map)


def hold_out(images: ClassImages, count: int, seed: int) -> tuple[ClassImages, ClassImages]:
    """Split off `count` images, drawn by the seed; returns the others and these."""
    if count >= len(images):
        rule = f"data.holdout must leave images of {images.path} to train on"
        raise UserError(f"{rule}, which has {len(images)}, got {count}")
    order = _shuffled(images, seed, _HOLDOUT)
    return images.select(np.sort(order[count:])), images.select(np.sort(order[:count]))


def _shuffled(images: ClassImages, seed: int, purpose: int) -> np.ndarray:
    return np.argsort(mix_keys(seed, purpose, np.arange(len(images))), kind="stable")
