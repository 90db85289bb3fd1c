"""Labels at the original size, from one view, several, or windows.  The networks are toys whose
logits follow from a pixel's own value or place.
"""

from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.vision.padding import Size
from tasks.vision.semantic.find_labels import View, find_labels, mirrored
from tasks.vision.semantic.segmenter import SegmentationNetwork
from tasks.vision.settings_semantic import TestConfig


class Toy(nn.Module):
    """Three classes; the logits are the pixel's channels."""

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        return images.float() / 40

    def enlarge(self, logits: Tensor, size: Size) -> Tensor:
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


class Smooth(Toy):
    """The logits are means over the neighbours, left and right alike, of whatever is given."""

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        return F.avg_pool2d(images.float(), 5, stride=1, padding=2) / 40


class Sided(Toy):
    """Three classes, of other probabilities in the left half than in the right."""

    left = torch.tensor((0.9, 0.05, 0.05))
    right = torch.tensor((0.01, 0.5, 0.49))

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        is_left = torch.arange(images.shape[3]) < sizes[:, 1:] // 2  # (B, W)
        found = torch.where(is_left[:, None], self.left[:, None], self.right[:, None]).log()
        return found[:, :, None].expand_as(images)


class Wide(Toy):
    """Two classes; the second has a probability of 0.9 in images wider than 40 pixels, else 0.3."""

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        second = torch.where(sizes[:, 1] > 40, 0.9, 0.3)[:, None, None].expand(len(images), 4, 4)
        return torch.stack((1 - second, second), dim=1).log()


def network(toy: Toy) -> SegmentationNetwork:
    return cast(SegmentationNetwork, toy)


def view(*sizes: Size, padded: Size = (64, 96)) -> View:
    """Noise in the valid part of each image, and zeros around it."""
    random = torch.Generator().manual_seed(0)
    images = torch.zeros(len(sizes), 3, *padded, dtype=torch.uint8)
    for image, (height, width) in zip(images, sizes, strict=True):
        part = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=random)
        image[:, :height, :width] = part
    return images, torch.tensor(sizes)


SIZES = [(64, 96), (50, 71)]


def test_padding_is_cut_off_before_the_original_size_is_made() -> None:
    images, sizes = view((50, 71))
    (found,), logits = find_labels(network(Toy()), [(images, sizes)], [(100, 150)], TestConfig())
    valid = images[:, :, :50, :71].float() / 40
    resized = F.interpolate(valid, size=(100, 150), mode="bilinear", align_corners=False)
    assert np.array_equal(found, resized[0].argmax(dim=0).numpy())
    assert logits is not None
    assert torch.equal(logits, images.float() / 40)


def test_mirroring_turns_the_valid_part_alone() -> None:
    images = torch.tensor([[[[1, 2, 3, 0]]], [[[1, 2, 3, 4]]]], dtype=torch.uint8)
    turned = mirrored(images, torch.tensor([[1, 3], [1, 4]]))
    assert turned.tolist() == [[[[3, 2, 1, 0]]], [[[4, 3, 2, 1]]]]


@pytest.mark.parametrize("toy", [Toy(), Smooth()])
def test_mirror_images_change_nothing_in_a_network_without_sides(toy: Toy) -> None:
    given = view(*SIZES)
    plain, _ = find_labels(network(toy), [given], SIZES, TestConfig())
    both, _ = find_labels(network(toy), [given], SIZES, TestConfig(flip=True))
    for one, other in zip(plain, both, strict=True):
        assert (one == other).mean() > 0.9999  # a tie in the last digit


def test_probabilities_of_mirror_images_are_averaged() -> None:
    """The first class has 0.455 everywhere, the second 0.275; of the means of logits, which are
    those of 0.9 x 0.01 and 0.05 x 0.5, the second is larger.
    """
    sizes = [(8, 12), (8, 10)]
    given = view(*sizes, padded=(8, 16))
    plain, _ = find_labels(network(Sided()), [given], sizes, TestConfig())
    both, _ = find_labels(network(Sided()), [given], sizes, TestConfig(flip=True))
    for (_, width), one, other in zip(sizes, plain, both, strict=True):
        assert one[0].tolist() == [0] * (width // 2) + [1] * (width // 2)
        assert other.max() == 0


def test_probabilities_of_scales_are_averaged() -> None:
    """The second class has 0.3 in the small view and 0.9 in the large one, 0.6 in all."""
    views = [view((20, 30), padded=(32, 32)), view((40, 60), padded=(64, 64))]
    test = TestConfig(scales=(1.0, 2.0))
    (small,), logits = find_labels(network(Wide()), views[:1], [(20, 30)], test)
    (found,), _ = find_labels(network(Wide()), views, [(20, 30)], test)
    assert small.max() == 0
    assert found.min() == 1
    assert logits is not None
    assert logits.shape == (1, 2, 4, 4)


@pytest.mark.parametrize("window", [96, 224])
def test_a_window_no_smaller_than_the_image_changes_nothing(window: int) -> None:
    """Also where the padded image is larger, and its zeros reach into the labels."""
    given = view((50, 71))
    whole, _ = find_labels(network(Smooth()), [given], [(100, 142)], TestConfig())
    found, logits = find_labels(network(Smooth()), [given], [(100, 142)], TestConfig(window=window))
    assert np.array_equal(found[0], whole[0])
    assert logits is not None


def test_an_image_is_labelled_alike_beside_a_larger_one() -> None:
    originals, test = [(64, 96), (50, 61)], TestConfig(window=64)
    images, sizes = view(*originals)
    images[1] = view((50, 61))[0][0]
    alone, _ = find_labels(network(Smooth()), [view((50, 61))], originals[1:], test)
    beside, logits = find_labels(network(Smooth()), [(images, sizes)], originals, test)
    assert np.array_equal(beside[1], alone[0])
    assert logits is None  # a window slid over the other


def test_windows_cover_the_image_at_its_original_size() -> None:
    """A pixel's own value is all that counts, so that windows see what the whole does."""
    given = view((64, 96))
    test = TestConfig(window=64, overlap=0.25)
    (found,), logits = find_labels(network(Toy()), [given], [(128, 192)], test)
    expected = given[0][0].float().argmax(dim=0).numpy().repeat(2, axis=0).repeat(2, axis=1)
    assert logits is None
    assert (found == expected).mean() > 0.999
