"""A served page whose network is a stand-in: it answers every image alike."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from tasks.classification.predict import ImageClasses
from tasks.classification.served import page_answer as classes_answer
from tasks.cli.registry import saved_task
from tasks.cli.serve import serve_predictor
from tasks.detection.predict import ImageDetections
from tasks.detection.served import page_answer as detections_answer
from tasks.images import Pixels, decode
from tasks.labels import LabelMap
from tasks.segmentation.predict import ImageSegments
from tasks.segmentation.served import page_answer as segments_answer
from tasks.serve.model import Served
from tasks.serve.server import PageServer, open_server

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = LabelMap((10, 20, 30), ("background", "cat", HOSTILE))
SCORES = (0.9, 0.6, 0.2)


@dataclass
class StandIn:
    """What takes the place of a network."""

    result: Callable[[Pixels], Any]
    calls: int = 0

    def read(self, image: bytes) -> Pixels:
        return decode(image)

    def stream(self, images: Iterable[Pixels]) -> Iterator[Any]:
        for pixels in images:
            self.calls += 1
            yield self.result(pixels)


def detections(pixels: Pixels) -> ImageDetections:
    """Three boxes of 10, 12 and 14 pixels, of the labels 1, 2 and 1."""
    boxes = np.array([[0, 0, 10, 10], [20, 5, 32, 17], [1, 20, 15, 34]], np.float32)
    size = (pixels.shape[0], pixels.shape[1])
    scores = np.array(SCORES, np.float32)
    labels = np.array([1, 2, 1])
    return ImageDetections(boxes, scores, labels, size=size, label_map=NAMES, image=pixels)


def classes(pixels: Pixels) -> ImageClasses:
    return ImageClasses(np.array([0.1, 0.2, 0.7], np.float32), label_map=NAMES, image=pixels)


def segments(pixels: Pixels) -> ImageSegments:
    """The left half is label 0, the right one label 2."""
    labels = np.zeros(pixels.shape[:2], np.uint8)
    labels[:, pixels.shape[1] // 2 :] = 2
    return ImageSegments(labels, label_map=NAMES, image=pixels)


STAND_INS = {
    "detection": (detections, detections_answer, 0.5),
    "classification": (classes, classes_answer, 0.0),
    "segmentation": (segments, segments_answer, 0.0),
}


@contextmanager
def serving(task: str, most_bytes: int = 1_000_000) -> Iterator[PageServer]:
    """Context in which a page of a task is served."""
    result, answer, score = STAND_INS[task]
    served = Served("runs/toy", task, NAMES, score, StandIn(result), answer)
    server = open_server(served, "127.0.0.1", 0, most_bytes)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def served_run(run: Path) -> tuple[Served, Any]:
    """A saved network as `backbones serve` serves it, and the network by itself."""
    task = saved_task(run)
    predictor = task.load(run, device="cpu", precision="fp32")
    return serve_predictor(task, predictor, str(run)), predictor
