"""A trained network for the web page: bytes of an image in, an answer in JSON's types out.

Predictions run one at a time, in one thread, as torch makes its own threads for each thread that
calls it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from resnet_backbones.errors import UserError
from tasks.drawing import class_color
from tasks.errors import DataError
from tasks.images import opened
from tasks.labels import LabelMap
from tasks.report.images import data_url, thumbnail

PREVIEW = 1600
"""Pixels of the longer side of the page's picture."""
LARGEST = 50_000_000
"""Most pixels of an image, about 150 MB after decoding."""


@dataclass(frozen=True)
class Served:
    """A network that answers the page."""

    name: str
    """Its name for people: the run."""
    task: str
    label_map: LabelMap
    score: float
    """Initial score threshold on the page."""
    predictor: Any
    """A predictor with `read` and `stream`, as `tasks.vision.prediction.ImagePredictor`."""
    page_answer: Callable[[Any, tuple[int, int]], dict[str, Any]]
    worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def describe(self) -> dict[str, Any]:
        """Describe the network to the page."""
        ids = self.label_map.category_ids
        classes: list[dict[str, Any]] = []
        for label, name in enumerate(self.label_map.names):
            color = "#{:02x}{:02x}{:02x}".format(*class_color(self.label_map, label))
            classes.append({"name": name, "id": ids[label], "color": color})
        return {"name": self.name, "task": self.task, "score": self.score, "classes": classes}

    def answer(self, image: bytes) -> dict[str, Any]:
        """Predict on an image file; UserError for a file that is not an image, and for one that is
        too large.
        """
        return self.worker.submit(self._answer, image).result()

    def _answer(self, image: bytes) -> dict[str, Any]:
        try:
            _check_size(image)
            pixels = self.predictor.read(image)
        except DataError as error:  # its sentence names bytes, and its way out is about data sets
            reason = error.rule.partition(": ")[2]
            way_out = "choose a JPEG, a PNG or another image"
            raise UserError(f"the image cannot be decoded ({reason}); {way_out}") from error
        (found,) = self.predictor.stream([pixels])
        height, width = pixels.shape[:2]
        shown = thumbnail(pixels, PREVIEW) if max(height, width) > PREVIEW else pixels
        return {
            "width": width,
            "height": height,
            "preview": data_url(shown),
            **self.page_answer(found, (shown.shape[0], shown.shape[1])),
        }


def _check_size(image: bytes) -> None:
    """Raise UserError for a file of too many pixels, by its header."""
    with opened(image, "ignore") as header:  # rotating it upright may decode it
        height, width = header.size
    if height * width > LARGEST:
        rule = f"an image must have at most {LARGEST // 1_000_000} million pixels"
        raise UserError(f"{rule}, got {width} x {height}; make it smaller")
