"""The detector as a function of images, whatever they come as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_data import picture
from noise_data import write as write_data
from PIL import Image
from saved_detector import CLASSES, DATA, save_detector
from tiny_detector import tiny_detector

from resnet_backbones.errors import UserError
from tasks.detection.data.batches import ValBatches
from tasks.detection.evaluate import evaluate_detector
from tasks.detection.model.inference import for_inference
from tasks.detection.predict import (
    Detector,
    ImageDetections,
    load_detector,
)
from tasks.engine.distributed import World
from tasks.engine.precision import Precision
from tasks.plots import draw_boxes
from tasks.scoring.results import DetectionResults

FP32 = Precision("fp32", "cpu")
PIXELS = picture(50, 80)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(for_inference(tiny_detector()), CLASSES, DATA, FP32, batch_size=2)


def same(one: ImageDetections, other: ImageDetections) -> bool:
    arrays = zip(
        (one.boxes, one.scores, one.labels), (other.boxes, other.scores, other.labels), strict=True
    )
    return (
        all(np.array_equal(a, b) for a, b in arrays)
        and one.names == other.names
        and one.size == other.size
    )


def test_detections_are_those_that_evaluation_scores(detector: Detector, tmp_path: Path) -> None:
    dataset = write_data(tmp_path, [(50, 80)], [[{"bbox": [1, 1, 9, 9]}]])
    scored: list[DetectionResults] = []

    class Listener(World):
        """Keeps the results that evaluation gathers, next to what ranks tell of their errors."""

        def gather(self, value: object) -> list[Any]:
            scored.extend(value[:1] if isinstance(value, tuple) else [])
            return [value]

    dataset = replace(dataset, label_map=CLASSES)
    world = Listener(0, 0, 1, torch.device("cpu"))
    evaluate_detector(detector.model, ValBatches(dataset, DATA), dataset, world, FP32, final=False)
    (results,) = scored
    found = detector(dataset.image_path(0))
    assert len(found) > 0
    np.testing.assert_array_equal(found.boxes[:, :2], results.boxes[:, :2].astype(np.float32))
    np.testing.assert_array_equal(found.scores, results.scores.astype(np.float32))
    np.testing.assert_array_equal(found.labels, results.labels)


def test_boxes_are_inside_the_original_image_and_scores_fall(detector: Detector) -> None:
    found = detector(PIXELS)
    assert found.size == (50, 80)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [80, 50, 80, 50]).all()
    assert (
        found.boxes.max() > 64
    )  # pixels of the original, not of the resized image, whose shorter side is 64
    assert (np.diff(found.scores) <= 0).all()
    assert found.names == tuple(CLASSES.names[label] for label in found.labels)


@pytest.mark.parametrize(
    "as_what",
    [
        lambda path: path,
        lambda path: str(path),
        lambda path: path.read_bytes(),
        lambda path: Image.open(path),
        lambda path: np.asarray(Image.open(path)),
    ],
    ids=["path", "text", "bytes", "PIL", "array"],
)
def test_an_image_may_come_as_anything(
    detector: Detector, tmp_path: Path, as_what: Callable[[Path], Any]
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "image.png")
    assert same(detector(as_what(tmp_path / "image.png")), detector(PIXELS))


def test_a_gray_array_is_an_image(detector: Detector) -> None:
    assert same(detector(PIXELS[..., 0]), detector(np.repeat(PIXELS[..., :1], 3, axis=2)))


def test_many_images_are_answered_in_their_order_as_each_alone(detector: Detector) -> None:
    sizes = [(50, 80), (50, 80), (80, 50), (50, 80), (50, 80), (50, 80)]
    images = [picture(*size, seed) for seed, size in enumerate(sizes)]
    for together, image in zip(detector(images), images, strict=True):
        alone = detector(image)
        assert together.size == alone.size
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-5)


def test_no_images_are_answered_with_nothing(detector: Detector) -> None:
    assert detector([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "an image must be a path, .* got Tensor"),
        (np.zeros((8, 8, 3), np.float32), "must be uint8"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"of shape \(2, 8, 8, 3\)"),
        ("nowhere.jpg", r"nowhere\.jpg does not exist"),
    ],
)
def test_what_is_no_image_is_refused(detector: Detector, image: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        detector(image)


def test_a_run_folder_and_its_checkpoint_load_the_same_detector(tmp_path: Path) -> None:
    file = save_detector(tmp_path)
    one, other = load_detector(file, "cpu", "fp32"), load_detector(str(tmp_path), "cpu", "fp32")
    assert one.label_map == CLASSES
    assert same(one(PIXELS), other(PIXELS))
    assert same(one(PIXELS), Detector(for_inference(tiny_detector()), CLASSES, DATA, FP32)(PIXELS))


def test_the_score_threshold_can_be_replaced(tmp_path: Path) -> None:
    save_detector(tmp_path)
    low = load_detector(tmp_path, "cpu", "fp32")(PIXELS)
    limit = float(np.median(low.scores))
    high = load_detector(tmp_path, "cpu", "fp32", score_threshold=limit)(PIXELS)
    assert high.scores.min() > limit >= low.scores.min()


def test_a_path_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a checkpoint must exist, got .*nowhere"):
        load_detector(tmp_path / "nowhere")


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(
        UserError, match=r"a checkpoint must be a file that training wrote, got .*notes\.txt"
    ):
        load_detector(tmp_path / "notes.txt")


@pytest.mark.parametrize("precision", ["fp16", "bfloat16", None])
def test_a_precision_that_is_none_is_refused(precision: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="precision must be auto, bf16 or fp32, got"):
        load_detector(save_detector(tmp_path), "cpu", precision)


@pytest.mark.parametrize("threshold", [-0.1, 1, 50, float("nan")])
def test_a_score_threshold_that_is_none_is_refused(threshold: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"score_threshold must be in \[0, 1\), got"):
        load_detector(save_detector(tmp_path), "cpu", score_threshold=threshold)


def two_found(image: Any) -> ImageDetections:
    """A dog and a cat in an image of 50 x 80 pixels."""
    boxes = np.array([[1, 2, 4, 8], [0, 0, 40, 30]], np.float32)
    scores = np.array([0.75, 0.25], np.float32)
    return ImageDetections(
        boxes, scores, np.array([1, 0]), (50, 80), label_map=CLASSES, image=image
    )


def test_detections_are_chosen_by_score_and_written_as_coco_records() -> None:
    found = two_found(PIXELS)
    assert found.names == ("dog", "cat")
    chosen = found.above(0.5)
    assert (len(chosen), chosen.names) == (1, ("dog",))
    expected = {"image_id": "a", "category_id": 20, "bbox": [1, 2, 3, 6], "score": 0.75}
    assert chosen.to_records("a") == [expected]


def test_detections_are_drawn_on_their_image(tmp_path: Path) -> None:
    found = two_found(PIXELS)
    drawn = found.plot()
    assert (drawn.shape, drawn.dtype) == ((50, 80, 3), np.uint8)
    np.testing.assert_array_equal(drawn, draw_boxes(PIXELS, found.to_plot(), CLASSES))
    assert (drawn != PIXELS).any()
    found.save(tmp_path / "new" / "found.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "found.png")), drawn)
    with pytest.raises(UserError, match=r"a picture must end in \.jpg or \.png, got .*found\.txt"):
        found.save(tmp_path / "found.txt")


def test_results_of_files_hold_their_names_and_no_pixels(
    detector: Detector, tmp_path: Path
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), image, PIXELS]
    results = detector(sources)
    for found, source in zip(results, sources, strict=True):
        assert found.image is source
        np.testing.assert_array_equal(found.plot(), results[0].plot())
    assert "image" not in repr(results[3]), "a repr of pixels helps nobody"
    assert detector(PIXELS).image is PIXELS
