"""Batches cut on the device against the same ones cut from single images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_classifier import tiny_config

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig
from tasks.classification.data.decoded import DecodedBatches, cut_squares, decode_all
from tasks.classification.data.files import TrainReader
from tasks.classification.data.read_sets import read_split
from tasks.classification.data.unreadable import Unreadable
from tasks.engine.loading import Share

COLOUR = (124, 116, 104)


def decoded_batches(root: Path, **changes: object) -> DecodedBatches:
    config = tiny_config(root, data__decoded=True, **changes)
    images = read_split(config.data, "train")
    unreadable = Unreadable(images, "apply", 0.0, print)
    decoded = decode_all(images, "apply", torch.device("cpu"), unreadable)
    return DecodedBatches.of(decoded, config, Share(), COLOUR)


def test_decoded_images_give_the_batches_of_files(folders: Path) -> None:
    """The same squares, pixel by pixel, as workers cut from the files."""
    changes = {"augment__cutout": 7, "augment__mixup": 0.4, "augment__repeats": 2}
    batches = decoded_batches(folders, **changes)
    config = tiny_config(folders, **changes)
    reader = TrainReader(read_split(config.data, "train"), config, COLOUR)
    for step in (0, 1, 5):
        plan = batches.plan(step)
        ours = batches.batch(plan)
        theirs = reader(plan)
        for name in ("images", "labels", "image_ids", "erased", "blend", "pasted"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def test_micro_batches_are_parts_of_the_global_batch(folders: Path) -> None:
    whole = next(decoded_batches(folders).start(3))
    batches = decoded_batches(folders)
    parts = []
    for rank in range(2):
        share = Share(rank=rank, ranks=2)
        own = DecodedBatches(batches.decoded, batches.padded, batches.config, share)
        parts.append(next(own.start(3)))
    joined = torch.cat([part.images for part in parts])
    assert torch.equal(joined, whole.images)


def test_square_and_flip_follow_the_draws() -> None:
    padded = torch.arange(2 * 4 * 5 * 3, dtype=torch.uint8).reshape(2, 4, 5, 3)
    config = AugmentConfig(crop="padded", size=3, flip=0.5)
    draws = torch.tensor([[0.6, 0.0, 0.9], [0.4, 0.99, 0.0]])  # kept; flipped
    squares = cut_squares(padded, torch.tensor([1, 0]), draws, config)
    assert torch.equal(squares[0], padded[1, 1:4, 0:3].permute(2, 0, 1))
    assert torch.equal(squares[1], padded[0, 0:3, 2:5].flip(1).permute(2, 0, 1))


def test_center_ignores_the_draws_of_place() -> None:
    padded = torch.arange(5 * 5 * 3, dtype=torch.uint8).reshape(1, 5, 5, 3)
    config = AugmentConfig(crop="center", size=3, flip=0.0)
    square = cut_squares(padded, torch.tensor([0]), torch.tensor([[0.5, 0.9, 0.9]]), config)
    assert torch.equal(square[0], padded[0, 1:4, 1:4].permute(2, 0, 1))


def test_every_place_of_the_crop_is_drawn(folders: Path) -> None:
    batches = decoded_batches(folders, augment__pad=1, augment__flip=0)
    found = set()
    for step in range(30):
        batch = batches.batch(batches.plan(step))
        for image in batch.images:
            left = bool((image[:, 12, 0].numpy() == np.array(COLOUR)).all())
            right = bool((image[:, 12, -1].numpy() == np.array(COLOUR)).all())
            found.add((left, right))
    assert found == {(True, False), (False, False), (False, True)}


def test_square_that_does_not_fit_names_the_size(folders: Path) -> None:
    with pytest.raises(UserError, match=r"augment\.size=40 must fit .* which are 24x24 in"):
        decoded_batches(folders, augment__size=40)
