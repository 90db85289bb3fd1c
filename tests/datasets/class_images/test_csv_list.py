"""A CSV of files and classes."""

from pathlib import Path

import pytest
from class_pictures import holds_tree, names_of, write_tree

from resnet_backbones.errors import UserError
from tasks.datasets.class_images import csv_list
from tasks.datasets.class_images.class_images import read_class_images
from tasks.labels import LabelMap

ROWS = "cat/10.png,cat\ncat/2.png,cat\ncat/deep/1.png,cat\ncat-big/x.jpeg,cat-big\ndog/b.jpg,dog\n"


def write(folder: Path, text: str) -> Path:
    path = write_tree(folder) / "train.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["", "file,label\n", "\ufeffImage_Path, Class\n"])
def test_rows_are_images(tmp_path: Path, header: str) -> None:
    images = read_class_images(write(tmp_path, header + ROWS), "train")
    assert holds_tree(images)
    assert names_of(images)[0] == str(tmp_path / "cat/10.png")


def test_a_header_may_have_other_columns_and_semicolons(tmp_path: Path) -> None:
    text = "id;label;note;filename\n1; dog ;x;dog/b.jpg\n\n2;cat;;cat/2.png\n"
    images = read_class_images(write(tmp_path, text), "train")
    assert names_of(images) == [str(tmp_path / "dog/b.jpg"), str(tmp_path / "cat/2.png")]
    assert images.label_map.names == ("cat", "dog")
    assert images.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold a row for each image"),
        ("file,label\n", "must hold a row for each image"),
        ("dog/b.jpg,dog\ncat/2.png\n", r"csv:2: must have 2 columns, got 1"),
        ("file,label\ndog/b.jpg,dog,7\n", r"csv:2: must have 2 columns, got 3"),
        ("dog/b.jpg,dog\ncat/none.png,cat\n", r"csv:2: no file 'cat/none.png' in"),
        ("picture,kind\ndog/b.jpg,dog\n", r"csv:1: no file 'picture' .* header must be file,label"),
        ("dog/b.jpg,dog\n\ndog/b.jpg,dog\n", r"csv:3: .* once, 'dog/b.jpg' is in line 1 too"),
        ("dog/b.jpg,dog\n./dog/b.jpg,cat\n", r"csv:2: .* once, './dog/b.jpg' is in line 1 too"),
        ("dog/b.jpg,\n", r"csv:1: must name a class"),
        ("dog/b.jpg,dog\ncat/2.png,Dog\n", r"'Dog' and 'dog'; give both one name"),
        ('dog/b.jpg,"dog\n' + "x" * 140_000, r"csv:\d: must be a row of a CSV, got: field larger"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_class_images(write(tmp_path, text), "train")


def test_a_class_that_training_does_not_have_is_named_with_its_line(tmp_path: Path) -> None:
    label_map = LabelMap(("cat", "cat-big"), ("cat", "cat-big"))
    with pytest.raises(UserError, match=r"train.csv:5: every class .* got 'dog', which is not"):
        read_class_images(write(tmp_path, ROWS), "val", label_map)


def test_of_many_files_only_the_first_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_list, "STATTED", 2)
    images = read_class_images(write(tmp_path, "dog/b.jpg,dog\ndog/none.jpg,dog\n"), "train")
    assert len(images) == 2
    with pytest.raises(UserError, match=r"csv:1: no file 'dog/none.jpg'"):
        read_class_images(write(tmp_path, "dog/none.jpg,dog\ndog/b.jpg,dog\n"), "train")
