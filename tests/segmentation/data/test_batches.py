"""Images and labels stay on each other, and what is not of an image is ignored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import pytest
import torch
from masks import write_classes
from numpy.typing import NDArray
from PIL import Image
from tiny_segmenter import tiny_config

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.dataset import read_pair
from tasks.engine.loading import Share
from tasks.labels import IGNORED
from tasks.segmentation.data.batches import TrainBatches, scored_batches
from tasks.segmentation.data.read_splits import read_split
from tasks.vision.semantic.batch import SegmentationBatch, stack, stack_labels
from tasks.vision.semantic.prepare import Prepared

PURE = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)
"""A colour for each label, of which none is a mixture of others."""


def write(root: Path, *labels: NDArray[Any]) -> Path:
    """A data set whose images have the colours of their labels; ignored pixels are black."""
    for split in ("train", "val"):
        for number, own in enumerate(labels):
            image = np.zeros((*own.shape, 3), np.uint8)
            image[own != IGNORED] = PURE[own[own != IGNORED]]
            for folder, content in (("images", image), ("masks", own.astype(np.uint8))):
                file = root / split / folder / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(file)
    write_classes(root / "classes.txt", "red", "green", "blue", "white")
    return root


def quarters(height: int = 64, width: int = 96) -> NDArray[Any]:
    """Labels 0 to 3 in the corners, which no flip leaves as they are."""
    rows = (np.arange(height) >= height // 3).astype(int)[:, None]
    columns = (np.arange(width) >= width // 3).astype(int)
    found: NDArray[Any] = 2 * rows + columns
    return found


def halves(left: int, right: int) -> NDArray[Any]:
    """96 x 96 pixels of two labels."""
    return np.repeat([[left] * 48 + [right] * 48], 96, axis=0)


def batches(root: Path, steps: int, **changes: Any) -> list[SegmentationBatch]:
    """The first training batches."""
    given = {"data__short_edge": "[64]", "data__long_edge": 96, "data__crop": 32, **changes}
    config = tiny_config(root, **given)
    stream = TrainBatches(read_split(config.data, "train"), config).start(0)
    return [next(stream) for _ in range(steps)]


def colours_tell_the_labels(batch: SegmentationBatch) -> float:
    """Assert that each pixel of a pure colour has its label; the share of such pixels."""
    pixels = batch.images.permute(0, 2, 3, 1).numpy()
    labels = batch.labels.numpy()
    pure = 0
    for label, colour in enumerate(PURE):
        chosen = (pixels == colour).all(axis=3)
        assert (labels[chosen] == label).all()
        pure += int(chosen.sum())
    return pure / int((labels != IGNORED).sum())


def test_labels_follow_their_image_through_jitter_crop_and_flip(tmp_path: Path) -> None:
    root = write(tmp_path, quarters(), quarters(96, 64))
    for batch in batches(root, 8, data__scale_jitter="[0.5,2.0]"):
        assert colours_tell_the_labels(batch) > 0.8


def test_labels_follow_their_image_to_the_places_of_other_crops(tmp_path: Path) -> None:
    root = write(tmp_path, quarters(), quarters(96, 64))
    for batch in batches(root, 8, data__crop_largest_class=0.6):
        assert colours_tell_the_labels(batch) > 0.8


def test_no_class_fills_a_crop_where_another_place_is_better(tmp_path: Path) -> None:
    root = write(tmp_path, halves(0, 1))
    for limit, filled in ((1.0, True), (0.9, False)):
        changes = {"data__short_edge": "[96]", "data__crop_largest_class": limit}
        drawn = batches(root, 12, data__crop=40, **changes)
        labels = torch.cat([batch.labels[:, :40, :40] for batch in drawn])
        largest = torch.stack([(labels == label).float().mean((1, 2)) for label in (0, 1)])
        assert bool((largest >= 0.9).any()) == filled


def test_a_crop_that_nothing_counts_in_is_taken_elsewhere(tmp_path: Path) -> None:
    labels = halves(IGNORED, 0)
    labels[48:, 48:] = 1
    root = write(tmp_path, labels)
    changes = {"data__short_edge": "[96]", "data__crop": 40}
    without = batches(root, 12, **changes)
    assert not torch.cat([batch.counted for batch in without]).all()
    wanted = batches(root, 12, **changes, data__crop_largest_class=0.99)
    assert torch.cat([batch.counted for batch in wanted]).all()


def test_a_class_that_is_alone_is_cropped_all_the_same(tmp_path: Path) -> None:
    (batch,) = batches(write(tmp_path, halves(2, 2)), 1, data__crop_largest_class=0.5)
    assert (batch.labels == 2).all()


@pytest.mark.filterwarnings("ignore")  # albumentations'
def test_what_an_augmentation_brings_into_view_is_ignored(tmp_path: Path) -> None:
    shift = albumentations.Affine(translate_px={"x": 16, "y": 0}, p=1)
    albumentations.save(shift, tmp_path / "shift.json", data_format="json")
    root = write(tmp_path / "data", quarters(32, 48))
    changes = {"data__short_edge": "[32]", "data__crop": "null", "data__flip": 0}
    (batch,) = batches(root, 1, data__augment=tmp_path / "shift.json", **changes)
    assert (batch.labels[:, :32, :16] == IGNORED).all()
    expected = torch.from_numpy(quarters(32, 48)[:, :32]).to(torch.uint8)
    assert torch.equal(batch.labels[0, :32, 16:48], expected)


def prepared(rows: Sequence[Sequence[int]]) -> Prepared:
    labels = np.array(rows, np.uint8)
    return Prepared(torch.full((3, *labels.shape), 9, dtype=torch.uint8), labels)


def test_padding_is_ignored() -> None:
    batch = stack([prepared([[0, 1]]), prepared([[2], [IGNORED]])], (2, 3), (5, 8), None)
    assert batch.labels.tolist() == [
        [[0, 1, IGNORED], [IGNORED] * 3],
        [[2, IGNORED, IGNORED], [IGNORED] * 3],
    ]
    assert batch.sizes.tolist() == [[1, 2], [2, 1]]
    assert batch.images[0, 0].tolist() == [[9, 9, 0], [0, 0, 0]]
    assert batch.image_ids.tolist() == [5, 8]


def test_the_weight_is_that_of_the_classes_of_all_pixels_that_count() -> None:
    images = [prepared([[0, 1, 1, IGNORED]]), prepared([[IGNORED] * 4]), prepared([[2, 2, 2, 0]])]
    plain = stack(images, (1, 4), (1, 2, 3), None)
    assert plain.weights.tolist() == [3, 0, 4]
    assert plain.weight == 7
    assert dict(plain.loss_weights) == {"hard": 2, "dice": 2, "lovasz": 2}
    weighted = stack(images, (1, 4), (1, 2, 3), (0.5, 2.0, 10.0))
    assert weighted.weights.tolist() == [0.5 + 2 * 2, 0, 3 * 10 + 0.5]


def test_labels_of_several_sizes_are_stacked() -> None:
    found = stack_labels([np.ones((1, 2), np.uint8), np.zeros((2, 1), np.uint8)], (2, 2))
    assert found.tolist() == [[[1, 1], [IGNORED] * 2], [[0, IGNORED], [0, IGNORED]]]


def test_a_scored_batch_has_every_scale_and_the_original_labels(tmp_path: Path) -> None:
    root = write(tmp_path, quarters(60, 100), quarters(64, 96))
    changes = {"data__short_edge": "[32]", "data__long_edge": 96, "test__scales": "[1.0,1.5]"}
    config = tiny_config(root, **changes)
    dataset = read_split(config.data, "val")
    (batch,) = scored_batches(dataset, config, Share(), batch_size=2)
    order = [image - 1 for image in batch.image_ids.tolist()]
    sizes = [[(32, 53), (48, 80)], [(32, 48), (48, 72)]]
    for number, (images, valid) in enumerate(batch.views):
        assert valid.tolist() == [list(sizes[index][number]) for index in order]
        assert images.shape[-2] >= 32 and images.shape[-1] >= 53  # noqa: PT018
    assert batch.originals == [[(60, 100), (64, 96)][index] for index in order]
    for row, index in enumerate(order):
        expected = torch.full((64, 100), IGNORED, dtype=torch.uint8)
        own = torch.from_numpy(dataset.read_labels(index))
        expected[: own.shape[0], : own.shape[1]] = own
        assert torch.equal(batch.truth[row], expected)


def test_every_image_is_scored_once_over_all_ranks(masks: Path) -> None:
    config = tiny_config(masks)
    dataset = read_split(config.data, "train")
    seen: list[int] = []
    for rank in range(3):
        dealt = scored_batches(dataset, config, Share(rank=rank, ranks=3))
        own = [image for batch in dealt for image in batch.image_ids.tolist()]
        assert len(own) == dealt.images
        seen += own
    assert sorted(seen) == list(range(1, 9))


def test_an_image_that_changed_its_size_since_is_named(tmp_path: Path) -> None:
    config = tiny_config(write(tmp_path, quarters()))
    dataset = read_split(config.data, "train")
    Image.new("RGB", (20, 10)).save(dataset.image_path(0))
    with pytest.raises(UserError, match=r"one size, got 20x10 in .*0\.png and 96x64 in"):
        read_pair(dataset, 0, "apply")
