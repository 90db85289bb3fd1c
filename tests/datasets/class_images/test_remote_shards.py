"""Shards at addresses: read in order, again where a connection breaks, and never by a command."""

import gzip
import importlib.util
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from class_data import add
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from shard_server import Faults, serving

from resnet_backbones.errors import UserError
from tasks.datasets.class_images import remote_shards
from tasks.datasets.class_images.addresses import find_addresses
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.labels import LabelMap

pytest.importorskip("webdataset")
CLASSES = LabelMap(("a", "b", "c"), ("a", "b", "c"))
SAMPLES = 6
SIZE = 512 + 20_480 + 512 + 512  # bytes of a sample in a tar


def shard(path: Path, *files: tuple[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            add(archive, name, content)


def sample(number: int) -> list[tuple[str, bytes]]:
    image = bytes([number + 1]) * 20_000
    return [(f"{number:03d}.jpg", image), (f"{number:03d}.cls", str(number % 3).encode())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shard of six samples."""
    shard(tmp_path / "train-0.tar", *(file for n in range(SAMPLES) for file in sample(n)))
    return tmp_path


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote_shards, "WAITS", (0.0, 0.0))
    with serving(folder) as faults:
        yield faults


def shards_at(*addresses: str) -> RemoteShards:
    return RemoteShards("pattern", addresses, SAMPLES, CLASSES)


def read(address: str, first: int = 0) -> list[tuple[int, int, int]]:
    """Number, first byte and label of each sample."""
    found = shards_at(address).samples(0, first)
    return [(one.number, one.image[0], one.label) for one in found]


WHOLE = [(n, n + 1, n % 3) for n in range(SAMPLES)]


def test_samples_come_in_their_order_with_their_labels(server: Faults) -> None:
    assert read(f"{server.url}/train-0.tar") == WHOLE


def test_reading_begins_with_a_sample_in_the_middle(server: Faults) -> None:
    assert read(f"{server.url}/train-0.tar", first=4) == WHOLE[4:]


def test_no_command_is_started(server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a command was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    assert read(f"{server.url}/train-0.tar") == WHOLE


def test_a_sample_is_read_by_its_place(server: Faults) -> None:
    shards = shards_at("http://other/x.tar", f"{server.url}/train-0.tar?key=secret")
    place = shards.place(1, 3)
    assert shards.read(place)[0] == 4
    assert shards.name(place) == f"{server.url}/train-0.tar: sample 3"


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("cut", [0, 300, 45_000, 3 * SIZE, 3 * SIZE - 1024])
def test_after_a_break_reading_goes_on_at_the_next_sample(
    server: Faults, cut: int, says_length: bool
) -> None:
    """Within a header or an image, and after a sample or a half, where a tar may seem whole."""
    server.says_length = says_length
    server.cuts = [cut, 100_000]
    assert read(f"{server.url}/train-0.tar") == WHOLE
    assert server.answers == 3


def test_breaks_count_from_the_last_sample_that_was_read(server: Faults) -> None:
    server.cuts = [30_000, 30_000, 60_000, 60_000]  # never three without a new sample
    assert read(f"{server.url}/train-0.tar") == WHOLE


def test_a_connection_that_breaks_again_and_again_is_named(server: Faults) -> None:
    server.cuts = [50_000] * 4
    address = f"{server.url}/train-0.tar"
    with pytest.raises(UserError, match=rf"{address} broke 3 times at sample 1 .*50000 of \d+"):
        read(f"{address}?key=secret")


def test_a_server_that_is_busy_is_asked_again(server: Faults) -> None:
    server.statuses = [503, 429]
    assert read(f"{server.url}/train-0.tar") == WHOLE


@pytest.mark.parametrize("status", [403, 404])
def test_a_shard_that_is_refused_is_not_asked_for_again(server: Faults, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(UserError, match=rf"train-0\.tar is answered with {status}"):
        read(f"{server.url}/train-0.tar")
    assert server.answers == 1


def test_where_nobody_answers(server: Faults) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/x\.tar broke .*refused"):
        read("http://127.0.0.1:9/x.tar")


BAD: dict[str, tuple[list[tuple[str, bytes]], str]] = {
    "no label": ([("1.jpg", b"x")], r"a sample must be .* 1 in .* is jpg"),
    "no image": ([("1.cls", b"0")], r"a sample must be .* 1 in .* is cls"),
    "a label of no class": ([("1.jpg", b"x"), ("1.cls", b"3")], r"one of the 3 classes .* got 3"),
    "no number": ([("1.jpg", b"x"), ("1.cls", b"cat")], r"a label must be a whole number"),
    "a name twice": ([("1.jpg", b"x"), ("1.jpg", b"y")], r"must be a shard .* duplicate"),
    "nothing": ([], r"shards must hold samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_shards(server: Faults, folder: Path, case: str) -> None:
    files, message = BAD[case]
    shard(folder / "bad.tar", *files)
    with pytest.raises(UserError, match=message):
        read(f"{server.url}/bad.tar")


def test_a_compressed_shard(server: Faults, folder: Path) -> None:
    (folder / "packed.tar").write_bytes(gzip.compress((folder / "train-0.tar").read_bytes()))
    with pytest.raises(UserError, match=r"^a shard must be an uncompressed tar, .*packed\.tar is"):
        read(f"{server.url}/packed.tar")
    assert server.answers == 1


def test_a_page_in_place_of_a_shard(server: Faults, folder: Path) -> None:
    (folder / "page.tar").write_bytes(b"<html>" + b" sign in" * 200)
    with pytest.raises(UserError, match=r"page\.tar broke 3 times at sample 0"):
        read(f"{server.url}/page.tar")


class Bucket(MemoryFileSystem):
    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("s3://", "/"))


@pytest.fixture
def bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """s3 in memory; gives the address of a file."""
    monkeypatch.setattr(remote_shards, "WAITS", (0.0, 0.0))
    monkeypatch.setitem(_registry, "s3", Bucket)
    system = Bucket()
    system.pipe("/bucket/train-0.tar", (folder / "train-0.tar").read_bytes())
    yield lambda name: f"s3://bucket/{name}"
    system.rm("/bucket", recursive=True)


def test_a_bucket_is_read(bucket: Callable[[str], str]) -> None:
    assert read(bucket("train-0.tar")) == WHOLE


def test_a_file_that_a_bucket_does_not_have(bucket: Callable[[str], str]) -> None:
    with pytest.raises(UserError, match=r"s3://bucket/none\.tar is answered with FileNotFound"):
        read(bucket("none.tar"))


def test_a_bucket_whose_connection_breaks(
    bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LibraryError(Exception):
        pass

    class Breaking(io.BytesIO):
        size = 9

        def read(self, size: int | None = -1) -> bytes:
            raise LibraryError("no answer")

    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *_, **__: Breaking())
    with pytest.raises(UserError, match=r"broke 3 times .*LibraryError: no answer"):
        read(bucket("train-0.tar"))


def test_braces_stand_for_addresses() -> None:
    found = find_addresses("https://host/{a,b}/train-{08..10}.tar?key=1")
    names = [f"https://host/{part}/train-{n}.tar?key=1" for part in "ab" for n in ("08", "09", 10)]
    assert found == tuple(names)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("ftp://host/x.tar", "and never by a command, got ftp://host/x.tar"),
        ("hf://x/y.tar", "and never by a command"),
        ("https://host/x.tar.gz?key=1", r"a plain \.tar, got https://host/x\.tar\.gz;"),
        ("https://host/*.tar", r"must name each shard"),
        ("s3://bucket/x.tar", "pip install s3fs"),
        ("gs://bucket/x.tar", "pip install gcsfs"),
        ("https://host/x.tar", r"pip install 'resnet-backbones\[shards\]'"),
    ],
)
def test_addresses_that_cannot_be_read(
    pattern: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=message):
        find_addresses(pattern)
