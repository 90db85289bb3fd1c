"""ImageNet's flat folder of validation images, with Kaggle's file or the development kit."""

import builtins
from pathlib import Path

import numpy as np
import pytest
from class_pictures import names_of, write_tree

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.labels import LabelMap

NAMES = [f"ILSVRC2012_val_{number:08}.JPEG" for number in (1, 2, 3)]
KAGGLE = (
    "ImageId,PredictionString\n"
    "ILSVRC2012_val_00000003,n01440764 111 108 230 244 \n"
    "ILSVRC2012_val_00000001,n02102040 1 2 3 4 n02102040 5 6 7 8\n"
    "ILSVRC2012_val_00000002,n01440764 1 2 3 4\n"
)
TRAIN = LabelMap(*[("n01440764", "n01443537", "n02102040")] * 2)


def write_val(root: Path, folder: str = "val") -> Path:
    return write_tree(root / folder, NAMES)


def write_devkit(root: Path, truth: str = "2\n1\n1\n") -> Path:
    from scipy.io import savemat

    folder = root / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    rows = [(1, "n01440764", "tench"), (2, "n02102040", "spaniel"), (1001, "n00001740", "entity")]
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=kinds)})
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    return folder


def check(images: ClassImages, folder: Path) -> None:
    assert names_of(images) == [str(folder / name) for name in NAMES]
    assert images.labels.tolist() == [2, 0, 0]
    assert images.label_map == TRAIN
    assert images.warnings == (f"{folder}: 1 of 3 classes have no image: n01443537",)


@pytest.mark.parametrize("place", ["val", ".", "ILSVRC/Data/CLS-LOC"])
def test_kaggles_solution_is_found_in_the_folder_or_above(tmp_path: Path, place: str) -> None:
    folder = write_val(tmp_path, "ILSVRC/Data/CLS-LOC/val" if place != "val" else "val")
    (tmp_path / place / "LOC_val_solution.csv").write_text(KAGGLE)
    check(read_class_images(folder, "val", TRAIN), folder)


def test_the_development_kit_is_found_beside_the_folder(tmp_path: Path) -> None:
    folder = write_val(tmp_path)
    write_devkit(tmp_path)
    check(read_class_images(folder, "val", TRAIN), folder)


def test_the_development_kit_needs_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_devkit(tmp_path)
    whole = builtins.__import__

    def without_scipy(name: str, *rest: object) -> object:
        if name.startswith("scipy"):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(UserError, match=r"with scipy only, .* pip install scipy, or put Kaggle's"):
        read_class_images(write_val(tmp_path), "val")


def test_images_of_the_solution_that_are_not_there_are_counted(tmp_path: Path) -> None:
    folder = write_val(tmp_path)
    (folder / NAMES[1]).unlink()
    (tmp_path / "LOC_val_solution.csv").write_text(KAGGLE)
    images = read_class_images(folder, "val")
    assert images.warnings == (f"{folder}: 1 images of LOC_val_solution.csv are not there",)
    assert images.label_map.names == ("n01440764", "n02102040")


def test_an_image_that_the_solution_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = write_tree(write_val(tmp_path), ["other.JPEG"])
    (tmp_path / "LOC_val_solution.csv").write_text(KAGGLE)
    with pytest.raises(UserError, match=r"the class of every image in .*, not of other.JPEG"):
        read_class_images(folder, "val")


def test_images_without_a_solution_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 images and no folder; .* LOC_val_solution.csv or"):
        read_class_images(write_val(tmp_path), "val")


def test_a_damaged_solution_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "LOC_val_solution.csv").write_text(KAGGLE + "ILSVRC2012_val_00000004,\n")
    with pytest.raises(UserError, match=r"csv:5: must be ImageId,PredictionString, got"):
        read_class_images(write_val(tmp_path), "val")


@pytest.mark.parametrize("text", ["2\n3\n1\n", "2\nx\n1\n"])
def test_a_number_that_no_class_has_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    write_devkit(tmp_path, text)
    with pytest.raises(UserError, match=r"truth.txt:2: must be the number of a class in meta.mat"):
        read_class_images(write_val(tmp_path), "val")


def test_a_missing_list_of_classes_is_named(tmp_path: Path) -> None:
    (write_devkit(tmp_path) / "meta.mat").unlink()
    with pytest.raises(UserError, match=r"numbers classes by meta.mat .* which is not beside it"):
        read_class_images(write_val(tmp_path), "val")


@pytest.mark.parametrize("content", [b"", b"?" * 200, b"MATLAB 5.0 MAT-file" + b"\0" * 200])
def test_a_damaged_list_of_classes_is_named(tmp_path: Path, content: bytes) -> None:
    (write_devkit(tmp_path) / "meta.mat").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*meta.mat: .*; download it again"):
        read_class_images(write_val(tmp_path), "val")
