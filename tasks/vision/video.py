"""Read and write video files with OpenCV, which is installed with albumentations.

Frames are (H, W, 3) uint8 RGB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError
from tasks.errors import DataError
from tasks.files import cannot_write
from tasks.images import Pixels

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"))
CODEC = "mp4v"
"""MPEG-4: every build of OpenCV writes it."""
USUAL_RATE = 25.0


def is_video(path: str | Path) -> bool:
    """Whether a file has the ending of a video."""
    return Path(path).suffix.lower() in SUFFIXES


@dataclass(frozen=True)
class Video:
    """An open video file."""

    path: Path
    capture: Any
    rate: float
    """Frames a second."""
    count: int
    """Number of frames according to the file, which may be wrong; 0 if it gives none."""

    def frames(self) -> Iterator[Pixels]:
        """Yield its frames; DataError if there are none."""
        number = 0
        while True:
            there, pixels = self.capture.read()
            if not there:
                break
            number += 1
            yield np.ascontiguousarray(pixels[:, :, ::-1])
        if number == 0:
            raise _unreadable(self.path)


@contextmanager
def opened_video(path: Path) -> Iterator[Video]:
    """Open a video file; DataError for any other file, UserError without OpenCV."""
    cv2 = _opencv()
    if not path.is_file():  # OpenCV also opens addresses and patterns
        raise DataError(f"video file {path} does not exist", "correct the path")
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise _unreadable(path)
        rate = capture.get(cv2.CAP_PROP_FPS)
        count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        yield Video(path, capture, rate if 0 < rate < 1000 else USUAL_RATE, count)
    finally:
        capture.release()


class VideoWriter:
    """An .mp4 that appears complete or not at all; use it as a context manager."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self.rate = rate
        self.partial = path.with_name(f".{path.stem}.partial.mp4")
        self.writer: Any = None
        self.count = 0

    def add(self, pixels: Pixels) -> None:
        """Add a frame; all must have the size of the first."""
        cv2 = _opencv()
        padded = _even(pixels)
        if self.writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = (padded.shape[1], padded.shape[0])
            codec = cv2.VideoWriter_fourcc(*CODEC)
            self.writer = cv2.VideoWriter(str(self.partial), codec, self.rate, size)
            if not self.writer.isOpened():
                raise UserError(
                    f"OpenCV must be able to write {self.path}, but it cannot; its build lacks"
                    f" {CODEC}, or the folder is not writable"
                )
        self.writer.write(np.ascontiguousarray(padded[:, :, ::-1]))
        self.count += 1

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if self.writer is not None:
            self.writer.release()
        try:
            if error is None and self.writer is not None:
                self._publish()
        finally:
            self.partial.unlink(missing_ok=True)

    def _publish(self) -> None:
        """Give the video its name; UserError if it is cut off, which OpenCV does not report."""
        capture = _opencv().VideoCapture(str(self.partial))
        count = int(capture.get(_opencv().CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if count != self.count:
            raise cannot_write(self.path, OSError(f"{count} of {self.count} frames are there"))
        self.partial.replace(self.path)


def _even(pixels: Pixels) -> Pixels:
    """Repeat the last row and column of pixels to an even number, as videos require it."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        rule = "videos are read by OpenCV, which cannot be imported"
        raise UserError(f"{rule} ({error}); pip install opencv-python-headless") from error
    return cv2


def _unreadable(path: Path) -> DataError:
    return DataError(f"cannot decode {path}: not a video that OpenCV knows", "replace the file")
