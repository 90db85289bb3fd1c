"""The picture of training images with their labels, as they lie in a batch."""

import numpy as np
import torch

from tasks.label_plots import draw_labels
from tasks.labels import IGNORED, LabelMap
from tasks.sample_sheet import TEXT
from tasks.segmentation.samples import make_sample
from tasks.vision.semantic.batch import SegmentationBatch, stack
from tasks.vision.semantic.prepare import Prepared

CLASSES = LabelMap((1, 2, 3), ("sky", "road", "car"))


def batch_of(labels: np.ndarray) -> SegmentationBatch:
    """A gray image with labels, padded to 200x200."""
    image = torch.full((3, *labels.shape), 100, dtype=torch.uint8)
    return stack([Prepared(image, labels)], (200, 200), [1], None)


def test_labels_are_drawn_over_the_image_without_its_padding() -> None:
    labels = np.zeros((150, 160), np.uint8)
    labels[50:] = 2
    sample = make_sample(batch_of(labels), 0, "a.png", CLASSES)
    large = labels.repeat(2, axis=0).repeat(2, axis=1)
    gray = np.full((300, 320, 3), 100, np.uint8)
    expected = draw_labels(gray, large, CLASSES, text_height=TEXT)
    np.testing.assert_array_equal(sample.pixels, expected)
    assert sample.name == "a.png, 160x150 pixels"
    assert sample.words == "car, sky"  # the larger one first


def test_an_image_without_a_class_says_so() -> None:
    labels = np.full((150, 160), IGNORED, np.uint8)
    assert make_sample(batch_of(labels), 0, "a.png", CLASSES).words == "ignored pixels only"
