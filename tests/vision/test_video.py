"""Videos, read and written."""

import sys
from pathlib import Path

import numpy as np
import pytest
from video_data import write_video

from resnet_backbones.errors import UserError
from tasks.vision.video import VideoWriter, is_video, opened_video

RED = np.full((48, 64, 3), (220, 20, 20), np.uint8)
BLUE = np.full((48, 64, 3), (20, 20, 220), np.uint8)


def test_frames_come_in_order_as_rgb(tmp_path: Path) -> None:
    with opened_video(write_video(tmp_path / "a.mp4", [RED, BLUE, RED])) as video:
        frames = list(video.frames())
        assert (video.rate, video.count) == (5.0, 3)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    for frame, expected in zip(frames, (RED, BLUE, RED), strict=True):
        assert np.abs(frame.astype(int) - expected).max() < 24


def test_an_odd_size_is_padded_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 12.0) as writer:
        for frame in (RED, BLUE):
            writer.add(frame[:47, :63])
    with opened_video(tmp_path / "out.mp4") as video:
        frames = list(video.frames())
        assert video.rate == 12.0
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert np.abs(frames[1].astype(int) - BLUE).max() < 24


def fill(writer: VideoWriter) -> None:
    writer.add(RED)
    raise ValueError("size")


def test_an_error_leaves_no_half_video(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size"), VideoWriter(tmp_path / "out.mp4", 12.0) as writer:
        fill(writer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_what_is_no_video_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with (
        pytest.raises(UserError, match=r"cannot decode .*a\.mp4: not a video"),
        opened_video(tmp_path / "a.mp4"),
    ):
        pass


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"), opened_video(tmp_path / "a.mp4"):
        pass


def test_a_missing_opencv_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with (
        pytest.raises(UserError, match="pip install opencv-python-headless"),
        opened_video(tmp_path / "a.mp4"),
    ):
        pass


def test_endings() -> None:
    assert is_video("a.MP4")
    assert not is_video("a.jpg")
