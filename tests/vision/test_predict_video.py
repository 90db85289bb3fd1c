"""Predictions on videos."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_page import NAMES, StandIn, classes, detections, segments
from small_disk import BLOCK, SmallDisk
from video_data import write_video

from resnet_backbones.errors import UserError
from tasks.outputs import LIST
from tasks.vision.predict_video import predict_videos
from tasks.vision.video import VideoWriter, opened_video

FRAMES = [np.full((48, 64, 3), 60 * number, np.uint8) for number in range(4)]


class Network(StandIn):
    label_map = NAMES


def follow(results: Iterable[Any], text: str, total: int, unit: str) -> Iterator[Any]:
    assert (total, unit) == (4, "frame")
    return iter(results)


def test_every_frame_has_its_detections_above_the_score(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", FRAMES)
    out = tmp_path / "out"
    assert predict_videos(Network(detections), [clip], out, score=0.5, track=follow) == ()
    content = json.loads((out / "clip_predictions.json").read_text())
    assert [one["seconds"] for one in content["images"]] == [0.0, 0.2, 0.4, 0.6]
    assert [one["image_id"] for one in content["annotations"]] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert content["annotations"][1]["bbox"] == [20, 5, 12, 12]
    with opened_video(out / "clip_annotated.mp4") as video:
        shown = list(video.frames())
    assert len(shown) == 4
    assert np.abs(shown[0].astype(int) - FRAMES[0]).max() > 100  # boxes are drawn


@pytest.mark.parametrize(("result", "records"), [(classes, 2), (segments, 2)])
def test_classes_and_segments_are_written_too(tmp_path: Path, result: Any, records: int) -> None:
    clip = write_video(tmp_path / "clip.mp4", FRAMES[:1])

    def track(results: Iterable[Any], text: str, total: int, unit: str) -> Iterator[Any]:
        return iter(results)

    assert predict_videos(Network(result), [clip], tmp_path, score=0.15, track=track) == ()
    content = json.loads((tmp_path / "clip_predictions.json").read_text())
    assert len(content["annotations"]) == records


def test_a_damaged_video_is_left_out_and_the_others_are_done(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", FRAMES)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    out = tmp_path / "out"
    problems = predict_videos(Network(detections), [damaged, clip], out, score=0.5, track=follow)
    assert [str(damaged) in problem for problem in problems] == [True]
    assert {file.name for file in out.iterdir()} == {
        LIST,
        "clip_annotated.mp4",
        "clip_predictions.json",
    }


@pytest.mark.parametrize("name", ["clip_annotated.mp4", "clip_predictions.json"])
def test_a_file_of_the_user_is_kept(tmp_path: Path, name: str) -> None:
    clip = write_video(tmp_path / "clip.mp4", FRAMES)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name} must be unused"):
        predict_videos(Network(detections), [clip], tmp_path / "out", score=0.5, track=follow)
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["mine"]


def write_noise(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), dtype=np.uint8)
    with VideoWriter(path, 5) as writer:
        for frame in noise:
            writer.add(frame)


def test_a_video_that_finds_no_room_is_told(disk: SmallDisk) -> None:
    disk.fill(8 * BLOCK)
    with pytest.raises(UserError, match=r"long\.mp4 must be a place .* of 12 frames are there"):
        write_noise(disk.folder / "long.mp4")
    assert [file.name for file in disk.folder.iterdir()] == [".filler"]
