"""What a resume notices about the data, in each task's data set (fault_campaign A8)."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from class_data import folders
from noise_data import picture, write
from PIL import Image
from tiny_segmenter import write_masks

from resnet_backbones.errors import UserError
from tasks.datasets import fingerprint as module
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.class_images.fingerprint import fingerprint as of_classes
from tasks.datasets.coco.dataset import fingerprint as of_objects
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.fingerprint import SAMPLE, hash_parts, hash_sample, sampled
from tasks.datasets.semantic.dataset import fingerprint as of_labels
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic

SQUARE = [[2, 3, 14, 3, 14, 12, 2, 12]]


def differing(before: dict[str, int | str], now: dict[str, int | str]) -> list[str]:
    assert before.keys() == now.keys()
    return [name for name in before if before[name] != now[name]]


def objects(folder: Path) -> dict[str, int | str]:
    return of_objects(read_coco(folder / "instances.json"), with_masks=True)


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    content = json.loads((folder / "instances.json").read_text())
    change(content)
    (folder / "instances.json").write_text(json.dumps(content))


def exchange_names(content: dict) -> None:
    one, other = content["images"][:2]
    one["file_name"], other["file_name"] = other["file_name"], one["file_name"]


def move_outline(content: dict) -> None:
    content["annotations"][0]["segmentation"][0][0] = 5


def double_areas(content: dict) -> None:
    for annotation in content["annotations"]:
        annotation["area"] = 20.0


@pytest.mark.parametrize(
    ("change", "expected"),
    [(exchange_names, ["names", "pixels"]), (move_outline, ["masks"]), (double_areas, [])],
)
def test_edits_of_a_file_of_objects(
    tmp_path: Path, change: Callable[[dict], None], expected: list[str]
) -> None:
    write(tmp_path, [(20, 30)] * 2, [[{"bbox": [2, 3, 12, 9], "segmentation": SQUARE}]] * 2)
    before = objects(tmp_path)
    edit(tmp_path, change)
    assert differing(before, objects(tmp_path)) == expected


def test_other_pixels_of_a_detectors_image(tmp_path: Path) -> None:
    write(tmp_path, [(20, 30)] * 2, [[], [{"bbox": [2, 3, 12, 9], "segmentation": SQUARE}]])
    before = objects(tmp_path)
    Image.fromarray(picture(20, 30, seed=99)).save(tmp_path / "11.png")
    assert differing(before, objects(tmp_path)) == ["pixels"]


def labels(root: Path) -> dict[str, int | str]:
    return of_labels(read_semantic(SemanticSource(root=root)))


def test_other_pixels_and_other_masks_of_a_segmenters_image(tmp_path: Path) -> None:
    write_masks(tmp_path)
    before = labels(tmp_path)
    mask = tmp_path / "train/masks/003.png"
    values = np.array(Image.open(mask))
    values[10, 10] = 2 - values[10, 10]
    Image.fromarray(values).save(mask)
    assert differing(before, labels(tmp_path)) == ["masks"]
    (tmp_path / "train/images/003.png").write_bytes(
        (tmp_path / "train/images/004.png").read_bytes()
    )
    assert differing(before, labels(tmp_path)) == ["pixels", "masks"]


def test_other_pixels_of_a_classifiers_image(tmp_path: Path) -> None:
    root = folders(tmp_path) / "train"
    before = of_classes(read_class_images(root, "train"))
    (root / "blue/001.png").write_bytes((root / "blue/002.png").read_bytes())
    assert differing(before, of_classes(read_class_images(root, "train"))) == ["pixels"]


def test_a_sample_is_small_and_always_the_same() -> None:
    assert sampled(SAMPLE) == list(range(SAMPLE))
    drawn = sampled(118_287)
    assert len(set(drawn)) == SAMPLE
    assert drawn == sampled(118_287) == sorted(drawn)


@pytest.mark.parametrize("place", [0, 7])
def test_a_large_file_counts_at_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(module, "WHOLE", 4)
    file = tmp_path / "large"
    file.write_bytes(b"01234567")
    before = hash_sample(1, lambda _: file)
    changed = bytearray(b"01234567")
    changed[place] = 0
    file.write_bytes(changed)
    assert hash_sample(1, lambda _: file) != before


def test_what_cannot_be_read_is_left_to_who_needs_it() -> None:
    def refuse(index: int) -> bytes:
        raise UserError("damaged")

    assert hash_sample(2, refuse) == hash_parts([b"", b""])


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Found by the campaign: a training that hung before its first step."""
    os.mkfifo(tmp_path / "a.png")
    assert hash_sample(1, lambda _: tmp_path / "a.png") == hash_parts([b""])
