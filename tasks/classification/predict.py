"""Use a trained classifier: images in, names and probabilities out.

K classes; pixels are (H, W, 3) RGB.

    classifier = load_classifier("runs/r50")
    found = classifier("photo.jpg")  # or a PIL image, or a uint8 array; a list of them gives a list
    found.name, found.probability
    for name, probability in found.top(5): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tasks.captions import caption
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.views import View, views_of
from tasks.classification.evaluate import Member
from tasks.classification.saved import SavedClassifier
from tasks.engine.distributed import resolve_device
from tasks.engine.evaluation import evaluation_mode
from tasks.engine.precision import Precision, PrecisionName, check_precision
from tasks.images import Exif, Pixels
from tasks.labels import LabelMap
from tasks.vision.prediction import ImagePredictor, ImageResult, runs_of_one_shape


@dataclass(frozen=True)
class ImageClasses(ImageResult):
    """Probabilities of one image."""

    probabilities: NDArray[np.float32]
    """(K,), by contiguous label; they sum to 1."""

    @property
    def label(self) -> int:
        """The most likely class."""
        return int(self.probabilities.argmax())

    @property
    def name(self) -> str:
        """The most likely class's name."""
        return self.label_map.names[self.label]

    @property
    def probability(self) -> float:
        """Its probability."""
        return float(self.probabilities[self.label])

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return names and probabilities of the most likely classes, the best first."""
        labels = np.argsort(-self.probabilities, kind="stable")[:count].tolist()
        return [(self.label_map.names[label], float(self.probabilities[label])) for label in labels]

    def plot(self) -> Pixels:
        """Draw the image with the most likely names below: (H, W, 3) uint8, RGB."""
        lines = [f"{name} {probability:.0%}" for name, probability in self.top(3)]
        return caption(self.pixels, lines)

    def to_records(self, image_id: int | str) -> list[dict[str, Any]]:
        """Make a record for each of the five most likely classes."""
        ids = dict(zip(self.label_map.names, self.label_map.category_ids, strict=True))
        return [
            {"image_id": image_id, "category_id": ids[name], "name": name, "score": probability}
            for name, probability in self.top()
        ]


@dataclass(frozen=True)
class ImageClassifier(ImagePredictor[ImageClasses]):
    """A classifier with its preprocessing; call it on images."""

    member: Member
    label_map: LabelMap
    config: ClassificationConfig
    """Decoding, resizing and cropping of images, as in the evaluation of training."""
    precision: Precision
    batch_size: int = 32
    """Most images in a batch."""

    @property
    def exif(self) -> Exif:
        """Whether EXIF rotation is applied, as in training."""
        return self.config.data.exif

    def stream(self, images: Iterable[Pixels]) -> Iterator[ImageClasses]:
        """Yield the classes of each decoded image, in order.

        Each result keeps its pixels in memory.
        """
        for alike in runs_of_one_shape(images, self.batch_size):
            yield from self._classify(alike)

    def _classify(self, images: Sequence[Pixels]) -> Iterator[ImageClasses]:
        groups = views_of(self.config.test)
        total = sum(self._look(images, views) for views in groups)
        assert isinstance(total, np.ndarray)
        for pixels, row in zip(images, total / len(groups), strict=True):
            yield ImageClasses(row, label_map=self.label_map, image=pixels, exif=self.exif)

    def _look(self, images: Sequence[Pixels], views: tuple[View, ...]) -> NDArray[np.float32]:
        """Compute probabilities (images, K), averaged over views of one size."""
        whole = [Image.fromarray(pixels) for pixels in images]
        squares = [view.of(image, self.config.test) for image in whole for view in views]
        stacked = torch.from_numpy(np.stack([np.asarray(square) for square in squares]))
        device = next(self.member.model.parameters()).device
        with evaluation_mode(self.member.model), self.precision.autocast():
            pixels = stacked.permute(0, 3, 1, 2).to(device)
            logits = self.member.logits(pixels, dense=views[0].crop is None)
        probabilities = logits.softmax(dim=1).reshape(len(images), len(views), -1).mean(dim=1)
        averaged: NDArray[np.float32] = probabilities.cpu().numpy()
        return averaged


def load_classifier(
    path: str | Path, device: str = "auto", precision: PrecisionName = "auto"
) -> ImageClassifier:
    """Load the classifier of a checkpoint file or a run's folder (its best checkpoint), ready to be
    called.

    `device` is auto, cpu, cuda or cuda:N. UserError for a wrong argument or file.
    """
    check_precision(precision)
    place = resolve_device(device, 0, 1)
    saved = SavedClassifier.read(path)
    resolved = Precision.resolve(precision, place)
    member = Member.of(saved.build(place))
    return ImageClassifier(member, saved.label_map, saved.config, resolved)
