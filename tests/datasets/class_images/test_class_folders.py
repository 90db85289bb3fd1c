"""Class folders on disk, in the order of torchvision's ImageFolder."""

import os
from pathlib import Path

import pytest
import torchvision
from class_pictures import SORTED, TREE, holds_tree, names_of, write_tree

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import read_class_images


def test_classes_and_files_come_in_their_order(tmp_path: Path) -> None:
    images = read_class_images(write_tree(tmp_path), "train")
    assert names_of(images) == [str(tmp_path / name) for name in SORTED]
    assert images.label_map.names == ("cat", "cat-big", "dog")
    assert images.label_map.category_ids == images.label_map.names
    assert holds_tree(images)
    assert images.warnings == ()


@pytest.mark.parametrize(
    "more", [(), ("Zebra/a.png", "cat/a-b/1.png", "cat/a/2.png", "cat/a/b/3.PNG", "cat/b.webp")]
)
def test_the_order_is_torchvisions(tmp_path: Path, more: tuple[str, ...]) -> None:
    write_tree(tmp_path, (*TREE, *more))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    theirs = torchvision.datasets.ImageFolder(str(tmp_path))
    images = read_class_images(tmp_path, "train")
    ours = list(zip(names_of(images), images.labels.tolist(), strict=True))
    assert ours == theirs.samples
    assert list(images.label_map.names) == theirs.classes


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    hidden = (".ipynb_checkpoints/1.png", "cat/._2.png", "cat/.thumbs/1.png")
    images = read_class_images(write_tree(tmp_path, (*TREE, *hidden)), "train")
    assert holds_tree(images)


def test_what_is_left_out_is_counted_by_its_ending(tmp_path: Path) -> None:
    """field_faults 4."""
    for name in ("cat/a.jfif", "cat/b.heic", "dog/c.HEIC", "dog/d.png", "dog/notes", "beside.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    images = read_class_images(tmp_path, "train")
    assert len(images) == 2
    end = "are not readable images and were left out"
    assert images.warnings == (
        f"{tmp_path}: 1 files ending in nothing {end}",
        f"{tmp_path}: 2 files ending in .heic {end}",
    )


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    write_tree(tmp_path / "pool")
    (tmp_path / "train").mkdir()
    for name in ("cat", "cat-big", "dog"):
        (tmp_path / "train" / name).symlink_to(tmp_path / "pool" / name)
    assert holds_tree(read_class_images(tmp_path / "train", "train"))


def test_images_beside_the_class_folders_are_a_warning(tmp_path: Path) -> None:
    images = read_class_images(write_tree(tmp_path, (*TREE, "loose.png")), "train")
    assert holds_tree(images)
    assert images.warnings == (f"{tmp_path}: 1 images beside the class folders were left out",)


@pytest.mark.parametrize("file", [None, "readme.txt"])
def test_an_empty_class_folder_is_named(tmp_path: Path, file: str | None) -> None:
    write_tree(tmp_path)
    (tmp_path / "owl").mkdir()
    if file:
        (tmp_path / "owl" / file).write_text("nothing here")
    with pytest.raises(UserError, match=r"every class folder must hold images, but owl in .* none"):
        read_class_images(tmp_path, "train")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "got neither folders nor images"),
        (("1.png", "2.png"), "a folder for each class, got 2 images and no folder"),
        (("Cat/1.png", "cat/2.png"), r"differ by more than case and blanks, .* 'Cat' and 'cat'"),
        (("cat/1.png", "cat /2.png"), r"differ by more than case and blanks, .* 'cat' and 'cat '"),
        (("train/cat/1.png", "val/cat/1.png"), r"holds the splits train, val; give the folder"),
    ],
)
def test_other_trees_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_class_images(write_tree(tmp_path, names), "train")


def test_a_folder_that_is_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path)
    scan = os.scandir

    def closed(path: object) -> object:
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError, match="dog"):
        read_class_images(tmp_path, "train")
