"""Training images from shards at addresses."""

import importlib.util
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import class_data
import pytest
import torch
from shard_server import serving
from tiny_classifier import arguments, tiny_config

from resnet_backbones.errors import UserError
from tasks.classification.check_files import check_files
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.read_sets import read_sets
from tasks.classification.data.squares import TrainSquares
from tasks.classification.data.stream import StreamBatches, shard_at
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.train import run
from tasks.cli.main import main
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
    with serving(root) as faults:
        yield faults.url


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


class KilledError(Exception):
    pass


def killed(*_: Any) -> None:
    raise KilledError


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
    shown = [batch.images[batch.image_ids == image] for part in (first, second) for batch in part]
    pixels = [one for one in shown if len(one)]
    assert not torch.equal(pixels[0], pixels[1])


def test_micro_batches_of_a_step_are_mixed_alike(root: Path, url: str) -> None:
    batches = batches_of(root, url, **NOISY).start(0)
    blends = [float(batch.blend[0]) for batch in islice(batches, 6)]
    assert blends[0::2] == blends[1::2]
    assert len(set(blends)) == 3


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


def test_a_rank_goes_on_at_its_own_position(root: Path, url: str) -> None:
    changes = {"data__batch_size": 4}
    began = [batches_of(root, url, rank, 2, **changes) for rank in range(2)]
    for batches in began:
        list(islice(batches.start(0), 3))
    positions = [batches.position() for batches in began]
    again = batches_of(root, url, 1, 2, positions, **changes)
    straight = list(islice(batches_of(root, url, 1, 2, **changes).start(0), 6))
    assert_equal(list(islice(again.start(3), 3)), straight[3:])


@pytest.mark.parametrize(("ranks", "workers"), [(2, 1), (1, 2)])
def test_a_stream_of_other_ranks_or_workers_is_not_gone_on_with(
    root: Path, url: str, ranks: int, workers: int
) -> None:
    positions = [batches_of(root, url, data__workers=1).position()]
    seen = f"got {ranks} ranks of {workers} instead of 1 of 1"
    with pytest.raises(UserError, match=seen):
        batches_of(root, url, 0, ranks, positions, data__workers=workers)


def test_no_worker_and_one_are_the_same_lane(root: Path, url: str) -> None:
    positions = [batches_of(root, url, data__workers=1).position()]
    assert batches_of(root, url, positions=positions, data__workers=0).position() == positions[0]


def test_a_run_of_other_shards_is_not_resumed(root: Path, url: str, tmp_path: Path) -> None:
    changes = streamed(url, schedule__steps=1, schedule__milestones="[]", run__resume="auto")
    launch(tiny_config(root, tmp_path, **changes), run)
    other = changes | {"data__train": f"{url}/part-{{0000..0001}}.tar"}
    rule = r"must keep its data.*shards of the training data \(3, now 2\)"
    with pytest.raises(UserError, match=rule):
        launch(tiny_config(root, tmp_path, **other), run)


def test_an_unreadable_image_is_named_and_its_neighbour_shown(tmp_path: Path, root: Path) -> None:
    with tarfile.open(tmp_path / "part-0000.tar", "w") as archive:
        for number, (_, label, pixels) in enumerate(class_data.rows("train")):
            content = b"no image" if number == 4 else class_data.png(pixels)
            class_data.add(archive, f"{number:06d}.png", content)
            class_data.add(archive, f"{number:06d}.cls", str(label).encode())
    notes: list[str] = []
    with serving(tmp_path) as faults:
        changes = {"data__train": f"{faults.url}/part-0000.tar", "data__shuffle_buffer": 6}
        batches = batches_of(root, faults.url, **changes)
        unreadable = replace(batches.unreadable, note=notes.append)
        shown = ids(list(islice(replace(batches, unreadable=unreadable).start(0), 6)))
    assert 5 not in shown
    assert len(shown) == 2 * IMAGES
    assert len(notes) == 1  # in two epochs
    assert f"{faults.url}/part-0000.tar: sample 4: cannot decode" in notes[0]


def test_an_epoch_is_as_long_as_the_images_that_are_stated(root: Path, url: str) -> None:
    assert batches_of(root, url, data__train_images=100, data__batch_size=6).epoch_length == 17


REFUSED = [
    ({"data__train": "'pipe:cat x.tar'"}, r"and never a command, got 'pipe:cat x\.tar'"),
    ({"data__train": "hf://data/x.tar"}, r"must be http, https, s3 or gs, .* got 'hf:"),
    ({"data__train_images": "null"}, r"data\.train_images must say how many .* got None"),
    ({"data__train": "null"}, r"data\.train_images goes with addresses .* got 18"),
    ({"data__shuffle_buffer": 0}, r"data\.shuffle_buffer must be >= 1, got 0"),
    ({"data__holdout": 3}, r"data\.holdout must be 0 with a stream .* got 3"),
    ({"data__decoded": True}, r"data\.decoded must be false with a stream"),
    ({"augment__repeats": 2}, r"augment\.repeats must be 1 with a stream .* got 2"),
    ({"run__eval_sets": "[val,train]"}, r"run\.eval_sets must be \[val\] with a stream"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_settings_that_do_not_go_with_a_stream(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny_config(Path("data"), **(streamed("https://host") | changes))


def test_without_the_extra_a_training_is_refused_in_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("task: classification\n")
    status = main(["train", str(recipe), *arguments(root, **streamed("https://host"))])
    assert status == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith("pip install 'resnet-backbones[shards]'")
    assert "\n" not in error


def test_validation_images_stay_on_a_disk(root: Path) -> None:
    config = tiny_config(root, **streamed("https://host", data__val="https://host/val.tar"))
    with pytest.raises(UserError, match=r"data must be on this machine's disks, got https:"):
        check_files(config)
