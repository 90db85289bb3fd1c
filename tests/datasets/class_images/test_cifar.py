"""CIFAR's own files, as torchvision reads them."""

import hashlib
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from class_pictures import names_of, pixels_of, write_cifar10, write_pickle
from torchvision.datasets import CIFAR10

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.class_images.layout import CIFAR_FOLDERS

FOLDER = "cifar-10-batches-py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cifar10(tmp_path / FOLDER)
    return tmp_path / FOLDER


def pack(folder: Path, name: str, mode: str = "w:gz") -> Path:
    with tarfile.open(folder.parent / name, mode) as archive:
        archive.add(folder, folder.name)
    return folder.parent / name


class SmallCifar(CIFAR10):  # type: ignore[misc]
    """torchvision's reader of files that are not the published ones."""

    def _check_integrity(self) -> bool:
        return True

    def _load_meta(self) -> None:
        file = Path(self.root) / self.base_folder / self.meta["filename"]
        self.meta = {**self.meta, "md5": hashlib.md5(file.read_bytes()).hexdigest()}
        super()._load_meta()


@pytest.mark.parametrize("split", ["train", "val"])
def test_images_and_labels_are_torchvisions(folder: Path, split: str) -> None:
    theirs = SmallCifar(str(folder.parent), train=split == "train")
    images = read_class_images(folder, split)
    assert np.array_equal(pixels_of(images), theirs.data)
    assert images.labels.tolist() == theirs.targets
    assert list(images.label_map.names) == theirs.classes


def test_images_are_named_by_their_place(folder: Path) -> None:
    names = names_of(read_class_images(folder, "val"))
    assert names == [f"{FOLDER}: image 0", f"{FOLDER}: image 1"]


@pytest.mark.parametrize(
    ("name", "mode"), [("cifar-10-python.tar.gz", "w:gz"), ("renamed.tgz", "w:gz"), ("c.tar", "w")]
)
def test_the_archive_is_read_as_the_folder_is(folder: Path, name: str, mode: str) -> None:
    images = read_class_images(pack(folder, name, mode), "train")
    wanted = read_class_images(folder, "train")
    assert np.array_equal(pixels_of(images), pixels_of(wanted))
    assert images.labels.tolist() == wanted.labels.tolist()


def test_cifar_100_has_its_fine_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rows = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 3072)
    for name, fine in (("train", [2, 0]), ("test", [1, 1])):
        content = {"data": rows, "coarse_labels": [0, 0], "fine_labels": fine}
        write_pickle(folder / name, content)
    names = {"coarse_label_names": ["food"], "fine_label_names": ["apple", "pear", "plum"]}
    write_pickle(folder / "meta", names)
    images = read_class_images(folder, "train")
    assert images.labels.tolist() == [2, 0]
    assert images.label_map.names == ("apple", "pear", "plum")
    assert images.read(1)[0, 5].tolist() == rows[1, [5, 1024 + 5, 2048 + 5]].tolist()
    assert read_class_images(folder, "val").labels.tolist() == [1, 1]
    assert folder.name in CIFAR_FOLDERS


class Call:
    def __reduce__(self) -> object:
        return os.getcwd, ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": Call(), "labels": [0]}, r"arrays, got posix.getcwd, which is not an array"),
        ([1], "arrays, got list"),
        ({"labels": [0]}, "no array of data"),
        ({"data": np.zeros((1, 3072)), "labels": [0]}, "data of type float64"),
        ({"data": np.zeros((1, 9), np.uint8), "labels": [0]}, r"shape \(1, 9\)"),
        (
            {"data": np.zeros((1, 3072), np.uint8), "labels": [0, 1]},
            "labels that are not 1 numbers",
        ),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [3]}, "labels that are not 1 numbers b"),
        ({"data": np.zeros((1, 3072), np.uint8)}, "labels that are not 1 numbers"),
    ],
)
def test_other_pickles_are_refused(folder: Path, content: object, message: str) -> None:
    write_pickle(folder / "test_batch", content)
    with pytest.raises(UserError, match=f"test_batch in .* must be CIFAR's pickle of .*{message}"):
        read_class_images(folder, "val")


def test_a_file_that_is_no_pickle_is_refused(folder: Path) -> None:
    (folder / "batches.meta").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"batches.meta in .* must be CIFAR's pickle of arrays"):
        read_class_images(folder, "val")


@pytest.mark.parametrize("packed", [False, True])
def test_a_missing_file_is_named(folder: Path, packed: bool) -> None:
    (folder / "data_batch_4").unlink()
    path = pack(folder, "c.tar.gz") if packed else folder
    with pytest.raises(UserError, match=r"but has no data_batch_4; download it again"):
        read_class_images(path, "train")


def test_an_archive_that_is_cut_off_is_refused(folder: Path) -> None:
    path = pack(folder, "c.tar.gz")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"cannot read .*c.tar.gz: .*; download it again"):
        read_class_images(path, "train")
