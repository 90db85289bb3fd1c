"""predictions.png: the images it shows, what came of their boxes, and words instead of boxes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noise_data import write as write_data
from PIL import Image
from saved_detector import CLASSES, DATA
from tiny_detector import tiny_detector

from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection import predict
from tasks.detection.model.inference import for_inference
from tasks.detection.predict import Detector, ImageDetections, save_predictions_picture
from tasks.engine.precision import Precision
from tasks.images import Pixels
from tasks.outcomes import Outcome
from tasks.plots import PicturedImage

FP32 = Precision("fp32", "cpu")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(for_inference(tiny_detector()), CLASSES, DATA, FP32, batch_size=2)


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    """Three images with an object and two without."""
    objects: list[list[dict[str, Any]]] = [
        [{"bbox": [1, 1, 9, 9]}],
        [],
        [{"bbox": [1, 1, 9, 9]}],
        [],
        [],
    ]
    objects[4] = [{"bbox": [1, 1, 9, 9]}]
    return replace(write_data(tmp_path, [(40, 60)] * 5, objects), label_map=CLASSES)


def test_the_picture_shows_images_with_objects_spread_over_the_data(
    detector: Detector, dataset: CocoDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    read = Detector.read
    monkeypatch.setattr(
        Detector, "read", lambda self, path: shown.append(path.name) or read(self, path)
    )
    save_predictions_picture(detector, dataset, tmp_path / "predictions.png", count=2, score=0.0)
    assert shown == ["10.png", "14.png"]
    assert Image.open(tmp_path / "predictions.png").width > 1000


class OfScores(Detector):
    """Finds the object of `dataset` with 0.31, and something else with 0.2, in every image."""

    def stream(self, images: Iterable[Pixels]) -> Iterator[ImageDetections]:
        boxes = np.array([[1, 1, 10, 10], [20, 20, 40, 30]], np.float32)
        scores = np.array([0.31, 0.2], np.float32)
        for pixels in images:
            yield ImageDetections(
                boxes,
                scores,
                np.zeros(2, np.int64),
                (pixels.shape[0], pixels.shape[1]),
                label_map=CLASSES,
                image=pixels,
                exif="apply",
            )


@pytest.fixture
def pictured(
    detector: Detector, dataset: CocoDataset, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], PicturedImage]:
    """The first image as it goes into the picture of detections of at least a score."""
    shown: list[PicturedImage] = []
    monkeypatch.setattr(predict, "predictions_grid", lambda images, *_, **__: shown.extend(images))

    def make(score: float) -> PicturedImage:
        given = {field.name: getattr(detector, field.name) for field in fields(detector)}
        save_predictions_picture(OfScores(**given), dataset, "unused.png", count=1, score=score)
        return shown[0]

    return make


def test_the_picture_says_the_highest_score_where_none_is_high_enough(
    pictured: Callable[[float], PicturedImage],
) -> None:
    image = pictured(0.5)
    assert image.words == "no detection above 0.5; highest 0.31"
    assert str(image) == "10.png: 0 right, 0 wrong, 1 missed"


def test_the_picture_tells_right_boxes_from_wrong_ones(
    pictured: Callable[[float], PicturedImage],
) -> None:
    image = pictured(0.1)
    assert image.predictions.outcomes == [Outcome.RIGHT, Outcome.WRONG]
    assert image.truth.outcomes == [Outcome.RIGHT]


def test_the_picture_of_a_model_in_training_leaves_it_in_training(
    dataset: CocoDataset, tmp_path: Path
) -> None:
    training = Detector(tiny_detector().train(), CLASSES, DATA, FP32)
    save_predictions_picture(training, dataset, tmp_path / "predictions.png")
    assert training.model.training
