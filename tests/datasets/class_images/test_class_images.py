"""Labels by name, parts of a set, and real data."""

import pickle
from pathlib import Path

import pytest
from class_pictures import SORTED, names_of, pixels_of, write_tree

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.class_images.layout import locate_class_images
from tasks.images import decode
from tasks.labels import LabelMap


def label_map(*names: str) -> LabelMap:
    return LabelMap(tuple(range(len(names))), names)


def test_labels_follow_the_names_of_the_label_map(tmp_path: Path) -> None:
    wanted = label_map("dog", "owl", "cat", "cat-big")
    images = read_class_images(write_tree(tmp_path), "val", wanted)
    assert images.labels.tolist() == [2, 2, 2, 3, 0]
    assert images.label_map == wanted
    assert images.warnings == (f"{tmp_path}: 1 of 4 classes have no image: owl",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cat", "dog"), r"got 'cat-big', which is not among cat, dog; take its images out"),
        (("cat-big", "dog", "Cat "), r"got 'cat', which .*; did you mean 'Cat '\? give both one"),
        (("bee",), r"got 'cat', 'cat-big', 'dog', which is not among bee"),
    ],
)
def test_a_class_that_the_label_map_does_not_have_is_named(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_class_images(write_tree(tmp_path), "val", label_map(*names))


def test_a_part_of_a_part_keeps_images_names_and_labels_together(tmp_path: Path) -> None:
    whole = read_class_images(write_tree(tmp_path), "train")
    part = whole.select([4, 0, 3]).select([2, 0])
    assert names_of(part) == [str(tmp_path / SORTED[place]) for place in (3, 4)]
    assert part.labels.tolist() == [1, 2]
    assert [pixels.tolist() for pixels in pixels_of(part)] == [
        decode(tmp_path / SORTED[place]).tolist() for place in (3, 4)
    ]
    assert part.label_map == whole.label_map
    assert len(part) == len(part.store) == 2


def test_a_set_can_be_pickled(tmp_path: Path) -> None:
    images = read_class_images(write_tree(tmp_path), "train").select([1])
    again = pickle.loads(pickle.dumps(images))
    assert again.name(0) == images.name(0)
    assert again.read(0) == images.read(0)


def test_a_path_where_nothing_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data at .*none; give a folder of class folders"):
        read_class_images(tmp_path / "none", "train")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.npz").touch()
    with pytest.raises(UserError, match=r"data must be a folder of class folders, .* got .*npz"):
        read_class_images(tmp_path / "data.npz", "train")


def test_real_cifar_10(cifar10: Path) -> None:
    train = read_class_images(locate_class_images(cifar10, "train", None), "train")
    val = read_class_images(locate_class_images(cifar10, "val", None), "val", train.label_map)
    assert (len(train), len(val)) == (50_000, 10_000)
    assert train.label_map.names[:3] == ("airplane", "automobile", "bird")
    assert train.name(5000) == "train.zip: automobile/0000.jpg"
    assert [(train.labels == label).sum() for label in range(10)] == [5000] * 10
    assert decode(val.read(9_999)).shape == (32, 32, 3)
    assert val.warnings == ()
