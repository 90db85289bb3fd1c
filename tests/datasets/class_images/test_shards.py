"""WebDataset shards: samples, labels, names of classes, patterns."""

from pathlib import Path

import pytest
from class_pictures import names_of, picture, sample, write_tar

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.class_images.shard_names import find_shards
from tasks.labels import LabelMap


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A folder of two shards with two samples each."""
    for number in range(2):
        files = sample(f"{number}a", number) | sample(f"{number}b", 2 - number)
        write_tar(tmp_path / f"train-{number:06}.tar", files)
    return tmp_path


@pytest.mark.parametrize("pattern", ["", "train-{000000..000001}.tar", "train-*.tar", "*{0,1}.tar"])
def test_samples_come_in_the_order_of_the_shards(shards: Path, pattern: str) -> None:
    images = read_class_images(shards / pattern, "train")
    assert names_of(images) == [
        "train-000000.tar: 0a.png",
        "train-000000.tar: 0b.png",
        "train-000001.tar: 1a.png",
        "train-000001.tar: 1b.png",
    ]
    assert [images.read(i) for i in range(4)] == [picture(key) for key in ("0a", "0b", "1a", "1b")]
    assert images.labels.tolist() == [0, 2, 1, 1]
    assert images.label_map.names == ("0", "1", "2")


def test_a_single_tar_with_labels_is_a_shard(shards: Path) -> None:
    images = read_class_images(shards / "train-000001.tar", "train")
    assert images.labels.tolist() == [1, 1]
    assert images.label_map.names == ("0", "1")
    assert images.warnings == (f"{images.path}: 1 of 2 classes have no image: 0",)


def test_classes_are_named_by_a_file_beside_the_shards(shards: Path) -> None:
    (shards / "classes.txt").write_text("owl\ncat\ndog\n")
    images = read_class_images(shards, "val", LabelMap(("c", "d", "o"), ("cat", "dog", "owl")))
    assert images.labels.tolist() == [2, 1, 0, 0]


def test_a_label_beyond_the_named_classes_is_refused(shards: Path) -> None:
    (shards / "classes.txt").write_text("owl\ncat\n")
    with pytest.raises(UserError, match=r"classes.txt must name every class, .* 2 names and the"):
        read_class_images(shards, "train")


def test_a_class_that_is_named_twice_is_refused(shards: Path) -> None:
    (shards / "classes.txt").write_text("crane\nowl\ncrane\n")
    with pytest.raises(UserError, match=r"classes.txt has 'crane' and 'crane'"):
        read_class_images(shards, "train")


def test_samples_are_files_that_share_a_name_to_its_first_dot(tmp_path: Path) -> None:
    files = {
        "a/1.cls": b" 1\n",
        "a/1.seg.png": b"",
        "a/1.txt": b"a caption",
        "a/1.JPG": picture("x"),
        "b/1.json": b'{"label": 0}',
        "b/1.webp": picture("y"),
    }
    images = read_class_images(write_tar(tmp_path / "s.tar", files), "train")
    assert names_of(images) == ["s.tar: a/1.JPG", "s.tar: b/1.webp"]
    assert images.labels.tolist() == [1, 0]
    assert images.read(1) == picture("y")


def test_the_label_of_cls_counts_before_that_of_json(tmp_path: Path) -> None:
    files = sample("1", 3) | {"1.json": b'{"label": 7}'}
    assert read_class_images(write_tar(tmp_path / "s.tar", files), "train").labels.tolist() == [3]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.png": b""}, "1 in .* is png"),
        ({"1.cls": b"0"}, "1 in .* is cls"),
        ({"1.cls": b"0", "1.png": b"", "1.jpg": b""}, "1 in .* is cls, png, jpg"),
        (sample("1", -1), "a label must be a whole number from 0, got -1 in 1.cls of"),
        ({"1.png": b"", "1.cls": b"cat"}, "whole number from 0, got b'cat' in 1.cls"),
        ({"1.png": b"", "1.cls": b""}, "whole number from 0, got b'' in 1.cls"),
        ({"1.png": b"", "1.cls": b"1.5"}, "whole number from 0, got 1.5"),
        (sample("1", 10**9), "whole number from 0, got 1000000000"),
        ({"1.png": b"", "1.json": b'{"width": 3}'}, "whole number from 0, got None in 1.json"),
        ({"cat/notes": b""}, "shards must hold samples, KEY.jpg with KEY.cls, got none"),
    ],
)
def test_other_samples_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    write_tar(tmp_path / "s-0.tar", files)
    with pytest.raises(UserError, match=message):
        read_class_images(tmp_path / "s-*.tar", "train")


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", sample("1", 0))
    write_tar(tmp_path / "s.tar", sample("1", 0), mode="a")
    with pytest.raises(UserError, match=r"names in a shard must be unique, got '1.png' twice"):
        read_class_images(tmp_path / "s.tar", "train")


@pytest.mark.parametrize(
    ("pattern", "missing"),
    [
        ("train-{000000..000002}.tar", "train-000002.tar"),
        ("val-*.tar", r"val-\*.tar"),
        ("{train,test}-000000.tar", "test-000000.tar"),
    ],
)
def test_a_shard_that_is_not_there_is_named(shards: Path, pattern: str, missing: str) -> None:
    with pytest.raises(UserError, match=f"no shard {shards}/{missing}, of the pattern"):
        read_class_images(shards / pattern, "train")


def test_braces_keep_the_zeros_of_numbers(tmp_path: Path) -> None:
    for name in ("8", "9", "10", "08", "09"):
        (tmp_path / f"s{name}.tar").touch()
    assert [path.name for path in find_shards(tmp_path / "s{8..10}.tar")] == [
        "s8.tar",
        "s9.tar",
        "s10.tar",
    ]
    assert [path.name for path in find_shards(tmp_path / "s{08..10}.tar")] == [
        "s08.tar",
        "s09.tar",
        "s10.tar",
    ]


@pytest.mark.parametrize(
    "address",
    ["https://host/s-{0..9}.tar", "s3://bucket/s.tar", "gs://b/s.tar", "pipe:curl -s host/s.tar"],
)
def test_what_is_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"must be on this machine's disks, got .*; download it"):
        read_class_images(Path(address), "train")
