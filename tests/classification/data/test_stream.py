"""Training images from shards at addresses."""

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import class_data
import pytest
import torch
from command_line import command_line, finish
from tiny_classifier import arguments, tiny_config

from resnet_backbones.errors import UserError
from tasks.classification.check_files import check_files
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.read_sets import read_sets
from tasks.classification.data.squares import TrainSquares
from tasks.classification.data.stream import Cursor, StreamBatches, shard_at
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.train import run
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import launch
from tasks.engine.loading import Share, in_this_process

pytest.importorskip("webdataset")
IMAGES = 18
SHARDS = 3
NOISY = {
    "augment__crop": "resized",
    "augment__erase": 0.5,
    "augment__mixup": 0.2,
    "augment__lighting": 0.1,
    "optim__accumulate": 2,
}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validation folders, and 18 training images in three shards of 5, 6 and 7."""
    folder = class_data.folders(tmp_path_factory.mktemp("stream") / "data")
    rows = class_data.rows("train")
    order = [row for start in range(SHARDS) for row in rows[start::SHARDS]]
    start = 0
    for shard, count in enumerate((5, 6, 7)):
        with tarfile.open(folder / f"part-{shard:04d}.tar", "w") as archive:
            for number, (_, label, pixels) in enumerate(order[start : start + count]):
                class_data.add(archive, f"{number:06d}.png", class_data.png(pixels))
                class_data.add(archive, f"{number:06d}.cls", str(label).encode())
        start += count
    return folder


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """The address of the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def streamed(url: str, **changes: Any) -> dict[str, Any]:
    settings = {
        "data__train": f"{url}/part-{{0000..0002}}.tar",
        "data__train_images": IMAGES,
        "data__shuffle_buffer": 4,
    }
    return settings | changes


def batches_of(
    root: Path,
    url: str,
    rank: int = 0,
    ranks: int = 1,
    positions: list[Any] | None = None,
    **changes: Any,
) -> StreamBatches:
    config = tiny_config(root, **streamed(url, **changes))
    shards = read_sets(config.data, seed=0).train
    assert isinstance(shards, RemoteShards)
    share = Share(rank=rank, ranks=ranks, accumulate=config.optim.accumulate, seed=3)
    unreadable = Unreadable(shards, "apply", 0.1, lambda line: None)
    squares = TrainSquares(config, (124, 116, 104))
    return StreamBatches.of(shards, squares, share, unreadable, positions)


def assert_equal(one: list[ClassificationBatch], other: list[ClassificationBatch]) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for name in vars(first):
            assert torch.equal(getattr(first, name), getattr(second, name)), name


def ids(batches: list[ClassificationBatch]) -> list[int]:
    return torch.cat([batch.image_ids for batch in batches]).tolist()


def test_an_epoch_of_one_lane_has_every_image_once(root: Path, url: str) -> None:
    """With a buffer that divides the epoch, blocks end where it does."""
    stream = batches_of(root, url, data__shuffle_buffer=6).start(0)
    for _ in range(2):
        assert len(set(ids(list(islice(stream, 3))))) == IMAGES


def test_lanes_share_out_the_row_of_shards(root: Path, url: str) -> None:
    """Four lanes for three shards: each begins with its own, the fourth with the next epoch."""
    begun = []
    for rank in range(2):
        batches = batches_of(
            root, url, rank, 2, data__workers=2, data__shuffle_buffer=1, data__batch_size=2
        )
        with in_this_process():
            first = ids(list(islice(batches.start(0), 2)))
        begun += [(image - 1) >> 32 for image in first]
    assert begun == [shard_at(turn, SHARDS, 3)[1] for turn in range(4)]
    assert sorted(begun[:3]) == [0, 1, 2]
    assert shard_at(3, SHARDS, 3)[0] == 1


def test_labels_belong_to_their_images(root: Path, url: str) -> None:
    """Images are of one colour each, which is their class's."""
    colours = torch.tensor([class_data.COLOURS[name] for name in class_data.NAMES])
    for batch in islice(batches_of(root, url, augment__pad=0).start(0), 3):
        means = batch.images.float().mean(dim=(2, 3))  # (B, 3)
        assert torch.cdist(means, colours.float()).argmin(dim=1).tolist() == batch.labels.tolist()


def test_epochs_are_shuffled_and_augmented_anew(root: Path, url: str) -> None:
    stream = batches_of(root, url, data__shuffle_buffer=6, **NOISY).start(0)
    first = list(islice(stream, 6))
    second = list(islice(stream, 6))
    assert ids(first) != ids(second)
    image = ids(first)[0]
    shown = [
        batch.images[batch.image_ids == image] for part in (first, second) for batch in part
    ]
    pixels = [one for one in shown if len(one)]
    assert not torch.equal(pixels[0], pixels[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_go_on_where_they_were_left(root: Path, url: str, workers: int) -> None:
    """At any micro-batch, to the bit; with two lanes, the other one's turn too."""
    changes = NOISY | {"data__workers": workers}
    with in_this_process():
        straight = list(islice(batches_of(root, url, **changes).start(0), 20))
        for step in (1, 4):
            began = batches_of(root, url, **changes)
            assert_equal(list(islice(began.start(0), 2 * step)), straight[: 2 * step])
            again = batches_of(root, url, positions=[began.position()], **changes)
            assert_equal(list(islice(again.start(step), 20 - 2 * step)), straight[2 * step :])


def test_an_odd_number_of_micro_batches_goes_on_with_the_other_lane(root: Path, url: str) -> None:
    changes = {"data__workers": 2}
    with in_this_process():
        straight = list(islice(batches_of(root, url, **changes).start(0), 9))
        began = batches_of(root, url, **changes)
        list(islice(began.start(0), 3))
        again = batches_of(root, url, positions=[began.position()], **changes)
        assert_equal(list(islice(again.start(3), 6)), straight[3:])


def test_workers_give_what_lanes_in_this_process_give(root: Path, url: str) -> None:
    changes = NOISY | {"data__workers": 2}
    with in_this_process():
        expected = list(islice(batches_of(root, url, **changes).start(0), 6))
    began = batches_of(root, url, **changes)
    assert_equal(list(islice(began.start(0), 6)), expected)
    assert [cursor.taken for cursor in began.cursors] == [9, 9]  # whatever was read ahead


def test_a_killed_run_of_a_stream_resumes_to_the_bit(root: Path, url: str, tmp_path: Path) -> None:
    changes = streamed(url, run__save_every=2, schedule__steps=5, **NOISY)
    launch(tiny_config(root, tmp_path / "straight", **changes), run)
    config = tiny_config(root, tmp_path / "killed", run__resume="auto", **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.engine.fit.report", killed)  # at step 3, after the save of step 2
        with pytest.raises(KilledError):
            launch(config, run)
    saved = read_checkpoint(tmp_path / "killed" / "last.pt")
    assert saved.step == 2
    launch(config, run)
    expected = read_checkpoint(tmp_path / "straight" / "last.pt").model
    got = read_checkpoint(tmp_path / "killed" / "last.pt").model
    assert all(torch.equal(expected[name], got[name]) for name in expected)


class KilledError(Exception):
    pass


def killed(*_: Any) -> None:
    raise KilledError
