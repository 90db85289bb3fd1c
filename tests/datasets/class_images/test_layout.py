"""Where a split is, by its name under a root or by its own path."""

import subprocess
import sys
from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.layout import locate_class_images

ROOT = Path(__file__).resolve().parents[3]


def make(path: Path) -> None:
    """A file, or a folder where the name has no ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.touch()
    else:
        path.mkdir()


@pytest.mark.parametrize(
    ("split", "present", "found"),
    [
        ("train", ["train", "train.zip"], "train"),
        ("train", ["train.zip", "train.csv"], "train.zip"),
        ("train", ["train.tar"], "train.tar"),
        ("train", ["train.csv"], "train.csv"),
        ("train", ["train-000000.tar", "train-000001.tar"], "train-*.tar"),
        ("val", ["train", "val.zip", "valid"], "val.zip"),
        ("val", ["test", "valid", "validation"], "valid"),
        ("val", ["test", "validation"], "validation"),
        ("val", ["test.zip"], "test.zip"),
        ("train", ["cifar-10-batches-py"], "cifar-10-batches-py"),
        ("val", ["cifar-100-python"], "cifar-100-python"),
        ("val", ["cifar-10-python.tar.gz"], "cifar-10-python.tar.gz"),
        ("val", ["ILSVRC/Data/CLS-LOC/val"], "ILSVRC/Data/CLS-LOC/val"),
        ("train", ["ILSVRC/Data/CLS-LOC/train"], "ILSVRC/Data/CLS-LOC/train"),
    ],
)
def test_a_split_is_found_by_its_name(
    tmp_path: Path, split: str, present: list[str], found: str
) -> None:
    for name in present:
        make(tmp_path / name)
    assert locate_class_images(str(tmp_path), split, None) == tmp_path / found


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "cifar-100-python.tar.gz"])
def test_the_root_may_be_cifar_itself(tmp_path: Path, name: str) -> None:
    make(tmp_path / name)
    assert locate_class_images(tmp_path / name, "train", None) == tmp_path / name


def test_cifar_100s_file_of_the_splits_name_is_no_folder(tmp_path: Path) -> None:
    root = tmp_path / "cifar-100-python"
    root.mkdir()
    (root / "train").touch()
    assert locate_class_images(root, "train", None) == root


def test_a_path_that_is_given_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "root" / "train")
    make(tmp_path / "other.zip")
    monkeypatch.chdir(tmp_path)
    assert locate_class_images("root", "train", "other.zip") == Path("other.zip")
    assert locate_class_images("", "train", "*.zip") == Path("*.zip")


@pytest.mark.parametrize("given", ["none.zip", "none-*.tar", "none-{0..3}.tar"])
def test_a_path_that_is_given_and_not_there_is_named(tmp_path: Path, given: str) -> None:
    make(tmp_path / "train")
    with pytest.raises(UserError, match="none"):
        locate_class_images(str(tmp_path), "train", str(tmp_path / given))


def test_all_that_was_tried_is_listed(tmp_path: Path) -> None:
    names = ("val", "valid.zip", "validation.csv", "test-*.tar", "cifar-10-python.tar.gz")
    with pytest.raises(UserError, match=r"no images for the val split, tried .* or data\.val") as e:
        locate_class_images(str(tmp_path), "val", None)
    assert [name for name in names if str(tmp_path / name) not in str(e.value)] == []


def test_without_any_path_both_settings_are_named() -> None:
    with pytest.raises(UserError, match=r"set data\.root, or data\.train"):
        locate_class_images("", "train", None)


@pytest.mark.parametrize(("root", "given"), [("s3://b/data", None), ("", "pipe:cat a.tar")])
def test_what_is_elsewhere_is_refused(root: str, given: str | None) -> None:
    with pytest.raises(UserError, match="must be on this machine's disks"):
        locate_class_images(root, "train", given)


def test_looking_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, tasks.datasets.class_images.layout;print(*{'torch', 'numpy'} & {*sys.modules})"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert output.strip() == ""
