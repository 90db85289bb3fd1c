"""The picture of training images: pixels, names and shares as the network gets them."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import class_data
import numpy as np
import pytest
import torch
from tiny_classifier import tiny_config

from resnet_backbones.weights.passport import Passport, PixelNormalizer
from tasks.classification.data.batch import ClassificationBatch, plain_batch
from tasks.classification.data.files import FileBatches, TrainReader
from tasks.classification.data.read_sets import read_split
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.samples import ClassSamples, samples_of
from tasks.engine.loading import Share

GRAY = (124, 116, 104)  # ImageNet's mean


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return class_data.folders(tmp_path / "data")


def samples(root: Path, **changes: object) -> ClassSamples:
    """What draws the images of the class folders."""
    config = tiny_config(root, **changes)
    images = read_split(config.data, "train")
    unreadable = Unreadable(images, "apply", 0.0, lambda line: None)
    batches = FileBatches(TrainReader(images, config, GRAY), Share(), unreadable)
    drawn = samples_of(batches, Passport(architecture="resnet20"))
    assert isinstance(drawn, ClassSamples)
    return drawn


def batch(count: int = 2) -> ClassificationBatch:
    """Images of noise, 160 pixels large, that are shown twice as large."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 160, 160), dtype=torch.uint8, generator=generator)
    return plain_batch(pixels, torch.arange(count), torch.arange(count) + 1)


def plain(images: torch.Tensor, row: int) -> np.ndarray:
    """An image (160, 160, 3)."""
    return images[row].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_pixels_come_back_from_the_normalised_image(
    root: Path, order: Literal["rgb", "bgr"]
) -> None:
    passport = Passport(architecture="resnet20", channel_order=order)
    given = batch()
    drawn = replace(samples(root), normalizer=PixelNormalizer(passport))
    shown = list(drawn.samples(given))
    for row, sample in enumerate(shown):
        np.testing.assert_array_equal(sample.pixels[::2, ::2], plain(given.images, row))
    assert [sample.words for sample in shown] == ["blue", "green"]
    assert shown[0].name == "000.png"


def test_what_is_erased_has_the_mean_colour(root: Path) -> None:
    given = batch(1)
    given.erased[0] = torch.tensor([10, 20, 30, 40])
    (sample,) = samples(root, augment__erase=0.5).samples(given)
    inside = sample.pixels[::2, ::2][20:40, 10:30]
    assert (inside == GRAY).all()
    assert not (sample.pixels == GRAY).all(axis=2)[:40].any()


def test_mixed_images_say_their_shares(root: Path) -> None:
    given = batch()
    given.blend[:] = 0.75
    first, second = samples(root, augment__mixup=0.5).samples(given)
    assert first.words == "75 % blue, 25 % green"
    assert second.words == "75 % green, 25 % blue"
    own, partner = (plain(given.images, row).astype(float) for row in (1, 0))
    expected = 0.75 * own + 0.25 * partner
    assert np.abs(second.pixels[::2, ::2] - expected).max() <= 0.51


@pytest.mark.parametrize(("count", "places"), [(4, [1, 2, 3, 4]), (6, range(6)), (8, range(8))])
def test_partners_are_those_of_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, places: list[int]
) -> None:
    """Of a micro-batch of 6: one more than 4 images, or whole micro-batches."""
    drawn = samples(root)
    written: list[str] = []

    def keep(sheet: list[object], picture: Path) -> None:
        written.extend(sample.name for sample in sheet)  # type: ignore[attr-defined]

    monkeypatch.setattr("tasks.classification.samples.write_sheet", keep)
    drawn(count, tmp_path / "samples.png")
    first = np.concatenate([drawn.plan(0).places, drawn.plan(1).places])
    expected = [Path(drawn.images.name(int(first[place]))).name for place in places]
    assert written == expected
