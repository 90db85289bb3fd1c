"""Files of others that ask Python to run something: refused, and nothing of them runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.convert.yolo import read_yolo
from tasks.datasets.semantic.class_files import read_class_file
from tasks.detection.config import DetectionConfig
from tasks.engine.config import load_config
from tasks.vision.augment import build_augmenter

TAGS = ("python/object/apply:os.mkdir", "python/object/new:os.mkdir", "python/name:os.mkdir")
CLASSES = ("os.mkdir", "builtins.exec", "subprocess.Popen", "Lambda")


def settings(file: Path) -> object:
    return load_config(DetectionConfig, file, ())


def override(file: Path) -> object:
    return load_config(DetectionConfig, None, [f"optim.lr={file.read_text()}"])


def augmentation(file: Path) -> object:
    pytest.importorskip("albumentations")
    return build_augmenter(str(file), 0.0)


@pytest.mark.parametrize("read", [settings, override, augmentation, read_yolo])
@pytest.mark.parametrize("tag", TAGS)
def test_a_yaml_tag_makes_no_object(
    tmp_path: Path, read: Callable[[Path], object], tag: str
) -> None:
    made = tmp_path / "made"
    file = tmp_path / "data.yaml"
    file.write_text(f"!!{tag} [{json.dumps(str(made))}]\n")
    with pytest.raises(UserError):
        read(file)
    assert not made.exists()


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_in_a_list_of_classes_is_no_more_than_a_name(tmp_path: Path, tag: str) -> None:
    made = tmp_path / "made"
    file = tmp_path / "classes.yaml"
    file.write_text(f"!!{tag} [{json.dumps(str(made))}]\n")
    entries = read_class_file(file).entries
    assert not made.exists()
    assert [entry.name for entry in entries] == [str(made)]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_an_augmentation_file_names_transforms_only(tmp_path: Path, name: str, ending: str) -> None:
    made = tmp_path / "made"
    transform = {
        "__class_fullname__": name,
        "path": str(made),
        "args": ["mkdir", str(made)],
        "lambda_transforms": {"image": f"__import__('os').mkdir({str(made)!r})"},
    }
    file = tmp_path / f"augment.{ending}"  # JSON is YAML
    file.write_text(json.dumps({"__version__": "2.0.8", "transform": transform}))
    with pytest.raises(UserError):
        augmentation(file)
    assert not made.exists()
