"""Folders of images and masks: labels by hand, pairs by name, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from masks import labels_of, write_classes, write_image, write_mask
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.coco.categories import OtherClassesError
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic
from tasks.errors import DataError
from tasks.labels import LabelMap

COLOURS = "[{name: sky, colour: [0, 0, 255]}, {name: road, colour: [128, 64, 128]}]"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image of 3 x 2 pixels with a mask of the classes sky and road."""
    write_classes(tmp_path / "classes.txt", "sky", "road")
    write_image(tmp_path / "train/images/a.jpg")
    write_mask(tmp_path / "train/masks/a.png", [[0, 1, 255], [1, 1, 0]])
    return tmp_path


def test_values_are_labels_and_255_is_ignored(root: Path) -> None:
    assert labels_of(root) == [[0, 1, 255], [1, 1, 0]]


def test_a_class_that_nothing_can_show_is_refused_by_the_lists_name(root: Path) -> None:
    path = write_classes(root / "classes.txt", "sky\x00", "road")
    with pytest.raises(DataError) as refused:
        read_semantic(SemanticSource(root=root))
    assert str(refused.value).startswith(f"{path}: a category name must be one line of")


def test_what_a_data_set_says(root: Path) -> None:
    dataset = read_semantic(SemanticSource(root=root))
    assert dataset.label_map == LabelMap((0, 1), ("sky", "road"))
    assert dataset.sizes.tolist() == [[2, 3]]
    assert list(dataset.file_names) == ["a.jpg"]
    assert dataset.image_path(0) == root / "train/images/a.jpg"
    assert dataset.read_labels.file(0) == root / "train/masks/a.png"


def test_a_loader_worker_reads_the_same_labels(root: Path) -> None:
    dataset = read_semantic(SemanticSource(root=root))
    copied = pickle.loads(pickle.dumps(dataset))
    assert copied.read_labels(0).tolist() == [[0, 1, 255], [1, 1, 0]]


def test_palettes_that_give_a_value_two_colours_are_told(root: Path) -> None:
    """As a program leaves them that keeps the colours of each picture alone."""
    write_mask(root / "train/masks/a.png", [[0, 1, 1], [1, 1, 0]], [0, 0, 255, 128, 64, 128])
    for name, palette in {"b": [0, 0, 255, 128, 64, 128], "c": [128, 64, 128, 0, 0, 255]}.items():
        write_image(root / f"train/images/{name}.jpg")
        write_mask(root / f"train/masks/{name}.png", [[0, 1, 1], [1, 1, 0]], palette)
    (warning,) = read_semantic(SemanticSource(root=root)).warnings
    assert warning.startswith("1 of 3 masks have another palette than a.png, the first is c.png;")


def test_a_palette_with_fewer_colours_is_the_same(root: Path) -> None:
    write_mask(root / "train/masks/a.png", [[0, 1, 1], [1, 1, 0]], [0, 0, 255, 128, 64, 128])
    write_image(root / "train/images/b.jpg")
    short = Image.new("P", (3, 2))
    short.putpalette([0, 0, 255])
    short.save(root / "train/masks/b.png")
    assert read_semantic(SemanticSource(root=root)).warnings == ()


def test_values_may_have_gaps(root: Path) -> None:
    text = "[{name: road, value: 7}, {name: sky, value: 23}]"
    classes = write_classes(root / "gaps.yaml", text)
    write_mask(root / "train/masks/a.png", [[23, 7, 0], [7, 3, 3]])
    labels = labels_of(root, classes=str(classes), ignore=(0, 3))
    assert labels == [[1, 0, 255], [0, 255, 255]]


def test_the_zero_label_of_ade20k_is_ignored(root: Path) -> None:
    write_mask(root / "train/masks/a.png", [[0, 1, 2], [150, 0, 1]])
    assert labels_of(root, classes="ade20k") == [[255, 0, 1], [149, 255, 0]]


def test_the_index_of_a_palette_is_the_value(root: Path) -> None:
    write_mask(root / "train/masks/a.png", [[0, 1, 1], [0, 0, 1]], palette=(9, 9, 9, 200, 0, 0))
    assert labels_of(root) == [[0, 1, 1], [0, 0, 1]]


def test_two_levels_and_alpha_are_read(root: Path) -> None:
    mask = root / "train/masks/a.png"
    Image.fromarray(np.array([[0, 1, 1], [0, 0, 1]], dtype=np.bool_)).save(mask)
    assert labels_of(root) == [[0, 1, 1], [0, 0, 1]]
    Image.fromarray(np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)).convert("LA").save(mask)
    assert labels_of(root) == [[0, 1, 1], [0, 0, 1]]


def test_sixteen_bits_are_read(root: Path) -> None:
    classes = write_classes(root / "wide.yaml", "[sky, {name: road, value: 1000}]")
    values = np.array([[0, 1000, 1000], [0, 0, 1000]], dtype=np.uint16)
    Image.fromarray(values).save(root / "train/masks/a.png")
    assert labels_of(root, classes=str(classes)) == [[0, 1, 1], [0, 0, 1]]


def test_colours_are_looked_up(root: Path) -> None:
    classes = write_classes(root / "colours.yaml", COLOURS)
    sky = [0, 0, 255]
    road = [128, 64, 128]
    write_mask(root / "train/masks/a.png", [[sky, road, road], [road, sky, sky]])
    assert labels_of(root, classes=str(classes)) == [[0, 1, 1], [1, 0, 0]]
    assert read_semantic(SemanticSource(root=root, classes=str(classes))).label_map.colours == (
        (0, 0, 255),
        (128, 64, 128),
    )


def test_the_colour_of_void_is_ignored(root: Path) -> None:
    void = [0, 0, 0]
    sky = [128, 128, 128]
    write_mask(root / "train/masks/a.png", [[void, sky, sky], [sky, void, sky]])
    assert labels_of(root, classes="camvid") == [[255, 0, 0], [0, 255, 0]]


def test_classes_take_the_labels_of_a_checkpoint_by_name(root: Path) -> None:
    known = LabelMap((5, 6), ("road", "car"))
    dataset = read_semantic(SemanticSource(root=root), label_map=known)
    assert dataset.read_labels(0).tolist() == [[255, 0, 255], [0, 0, 255]]
    assert dataset.label_map.names == ("road", "car")
    assert "categories are not classes of the label map: 'sky'" in dataset.warnings[1]


def test_other_classes_than_a_checkpoints_are_refused(root: Path) -> None:
    with pytest.raises(OtherClassesError, match="got 'sky', 'road', expected 'car'"):
        read_semantic(SemanticSource(root=root), label_map=LabelMap((1,), ("car",)))


@pytest.mark.parametrize("ending", ["_mask", "_seg", "_labelIds"])
def test_masks_may_have_an_ending(root: Path, ending: str) -> None:
    (root / "train/masks/a.png").rename(root / f"train/masks/a{ending}.png")
    assert labels_of(root) == [[0, 1, 255], [1, 1, 0]]


def test_pairs_are_in_the_order_of_their_paths(root: Path) -> None:
    write_image(root / "train/images/b/a.png", 1, 1)
    write_mask(root / "train/masks/b/a.png", [[1]])
    write_image(root / "train/images/A.png", 1, 1)
    write_mask(root / "train/masks/A.png", [[0]])
    dataset = read_semantic(SemanticSource(root=root))
    assert list(dataset.file_names) == ["A.png", "a.jpg", "b/a.png"]
    assert [dataset.read_labels(index).tolist() for index in (0, 2)] == [[[0]], [[1]]]


# Refused before training.


def refusal_of(root: Path, **settings: object) -> str:
    with pytest.raises(UserError) as caught:
        labels_of(root, **settings)
    return str(caught.value)


def test_missing_partners_are_counted_and_the_first_named(root: Path) -> None:
    for name in "bcd":
        write_image(root / f"train/images/{name}.png")
    write_mask(root / "train/masks/z.png", [[0]])
    message = refusal_of(root)
    assert "found 4:" in message
    assert f"{root}/train/images/b.png: every image needs a mask" in message
    assert "… and 1 more" in message


def test_a_mask_without_an_image(root: Path) -> None:
    write_mask(root / "train/masks/z.png", [[0]])
    assert f"{root}/train/masks/z.png: every mask needs an image" in refusal_of(root)


def test_two_masks_of_an_image(root: Path) -> None:
    write_mask(root / "train/masks/a_mask.png", [[0]])
    assert "one file each, got a.png, a_mask.png" in refusal_of(root)


def test_a_mask_of_another_size(root: Path) -> None:
    write_mask(root / "train/masks/a.png", [[0, 1], [1, 1]])
    message = refusal_of(root)
    assert f"{root}/train/masks/a.png is 2x2 pixels (width x height), its image is 3x2" in message


def test_a_mask_that_is_turned_as_the_file_stores_the_image(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (3, 2)).save(root / "train/images/a.jpg", exif=exif)
    assert "set data.exif=ignore if masks were drawn so" in refusal_of(root)
    source = SemanticSource(root=root)
    assert read_semantic(source, exif="ignore").sizes.tolist() == [[2, 3]]


def test_sizes_are_compared_where_that_is_asked_for_and_when_labels_are_read(root: Path) -> None:
    for number in range(9):
        write_image(root / f"train/images/b{number}.png")
        write_mask(root / f"train/masks/b{number}.png", [[0, 0, 0], [1, 1, 1]])
    write_mask(root / "train/masks/b8.png", [[0]])
    dataset = read_semantic(SemanticSource(root=root), check_sizes=False)
    with pytest.raises(DataError, match=r"b8\.png is 1x1 pixels"):
        dataset.read_labels(9)
    with pytest.raises(UserError, match=r"b8\.png is 1x1 pixels"):
        read_semantic(SemanticSource(root=root))


def test_colours_without_a_table(root: Path) -> None:
    write_mask(root / "train/masks/a.png", np.zeros((2, 3, 3)).tolist())
    assert "a mask must hold a value for each pixel, got colours" in refusal_of(root)


def test_jpeg_masks(root: Path) -> None:
    mask = root / "train/masks/a.png"
    Image.open(mask).save(mask.with_suffix(".jpg"))
    mask.unlink()
    assert "a mask must be saved without loss, got JPEG" in refusal_of(root)


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_an_empty_folder(root: Path, folder: str) -> None:
    for path in (root / "train" / folder).iterdir():
        path.unlink()
    assert f"{root}/train/{folder} holds no file ending in" in refusal_of(root)


def test_an_image_that_cannot_be_read(root: Path) -> None:
    (root / "train/images/a.jpg").write_bytes(b"<html>")
    assert "not an image file that PIL knows" in refusal_of(root)


def test_a_mask_that_cannot_be_read(root: Path) -> None:
    (root / "train/masks/a.png").write_bytes(b"<html>")
    assert "not an image file that PIL knows" in refusal_of(root)


# Refused when labels are read.


def test_an_unknown_value_is_named_with_its_place(root: Path) -> None:
    write_mask(root / "train/masks/a.png", [[0, 1, 1], [1, 7, 0]])
    message = refusal_of(root)
    assert message.startswith(f"{root}/train/masks/a.png: every value must be a class or ignored")
    assert "got the value 7 at x 1, y 1; correct the mask, add it to data.ignore" in message
    assert "which has 0, 1, 255" in message


def test_an_unknown_colour_is_named_with_its_place(root: Path) -> None:
    classes = write_classes(root / "colours.yaml", COLOURS)
    sky = [0, 0, 255]
    write_mask(root / "train/masks/a.png", [[sky, sky, sky], [sky, sky, [0, 1, 255]]])
    message = refusal_of(root, classes=str(classes))
    assert (
        "a.png: every colour must be that of a class or ignored, got (0, 1, 255) at x 2, y 1"
        in (message)
    )


def test_a_mask_that_is_cut_off(root: Path) -> None:
    mask = root / "train/masks/a.png"
    write_image(root / "train/images/a.jpg", 64, 64)
    noise = np.random.default_rng(0).integers(0, 2, (64, 64))
    write_mask(mask, noise.tolist())
    mask.write_bytes(mask.read_bytes()[:200])
    assert "cannot decode" in refusal_of(root)


def test_camvid_labels_are_its_values_without_void(camvid: Path) -> None:
    source = SemanticSource(root=camvid, split="val", classes="camvid")
    dataset = read_semantic(source)
    assert len(dataset) == 101
    for index in (0, 50, 100):
        stored = np.asarray(Image.open(dataset.read_labels.file(index)))
        expected = np.where(stored == 11, 255, stored)
        np.testing.assert_array_equal(dataset.read_labels(index), expected)
