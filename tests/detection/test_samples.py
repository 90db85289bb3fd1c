"""The picture of training images with their boxes, as they lie in a batch."""

import numpy as np
import torch
from tiny_detector import tiny_batch

from tasks.detection.samples import make_sample
from tasks.drawing import label_color
from tasks.labels import LabelMap

CLASSES = LabelMap((1, 2, 3), ("cat", "dog", "yak"))


def test_an_image_is_shown_without_its_padding_and_with_its_boxes() -> None:
    batch = tiny_batch([[[20.0, 30.0, 120.0, 90.0]]])
    batch.sizes[0] = torch.tensor([90, 126])
    sample = make_sample(batch, 0, "a.png", CLASSES)
    assert sample.pixels.shape == (180, 252, 3)  # twice as large
    assert (sample.name, sample.words) == ("a.png", "1 object, 126x90 pixels")
    assert tuple(sample.pixels[120, 40]) == label_color(0)  # left edge, below any label
    inside = batch.images[0, :, 40:80, 40:110].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(sample.pixels[80:160:2, 80:220:2], inside)


def test_an_image_without_objects_is_shown_as_it_is() -> None:
    batch = tiny_batch([[]])
    sample = make_sample(batch, 0, "a.png", CLASSES)
    assert sample.words == "0 objects, 128x96 pixels"
    np.testing.assert_array_equal(sample.pixels[::2, ::2], batch.images[0].permute(1, 2, 0).numpy())
