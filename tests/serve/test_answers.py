"""What the page is told of a result of each task."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from served_page import NAMES, classes, segments

from tasks.classification.served import page_answer as classes_answer
from tasks.label_plots import palette
from tasks.segmentation.served import page_answer as segments_answer

BLANK = np.zeros((6, 8, 3), np.uint8)


def picture(address: str) -> Image.Image:
    kind, _, text = address.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_classes_come_with_the_most_likely_first() -> None:
    (first, second, third) = classes_answer(classes(BLANK), (6, 8))["classes"]
    assert [found["label"] for found in (first, second, third)] == [2, 1, 0]
    assert [first["score"], second["score"]] == pytest.approx([0.7, 0.2])


def test_labels_come_as_values_of_a_palette_to_be_kept() -> None:
    kept = picture(segments_answer(segments(BLANK), (6, 8))["indices"])
    assert kept.mode == "P"
    assert np.asarray(kept)[0].tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert kept.convert("RGB").getpixel((7, 0)) == tuple(palette(NAMES)[2].tolist())


def test_labels_come_as_grays_of_the_previews_size_to_be_drawn() -> None:
    shown = picture(segments_answer(segments(BLANK), (3, 4))["labels"])
    assert shown.mode == "L"
    assert np.asarray(shown).tolist() == [[0, 0, 2, 2]] * 3


def test_each_class_has_its_share_of_the_pixels() -> None:
    shares = segments_answer(segments(BLANK), (6, 8))["shares"]
    assert sorted((one["label"], one["share"]) for one in shares) == [(0, 0.5), (2, 0.5)]
