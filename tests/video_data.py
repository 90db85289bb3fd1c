"""Small videos, written without our own code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest


def write_video(path: Path, frames: Sequence[np.ndarray], rate: float = 5.0) -> Path:
    """Write frames (H, W, 3) RGB of even size; skips without OpenCV."""
    cv2 = pytest.importorskip("cv2")
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(frame[:, :, ::-1].copy())
    writer.release()
    return path
