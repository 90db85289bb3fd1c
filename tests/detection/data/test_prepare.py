"""One image and its boxes: scaling, flipping, clipping and albumentations."""

from pathlib import Path
from typing import Any

import pytest
import torch
from noise_data import only_batch, write

from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.data.batch import DetectionBatch


def test_boxes_scale_by_each_axis_own_ratio(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(33, 90)], [[{"bbox": [9, 11, 18, 22]}]])
    batch = only_batch(dataset, short_edge=(40,), long_edge=80)  # 33x90 -> 29x80: 29/33 and 80/90
    assert batch.sizes.tolist() == [[29, 80]]
    assert torch.allclose(batch.scales, torch.tensor([[29 / 33, 80 / 90]]))
    assert batch.original_sizes.tolist() == [[33, 90]]
    assert torch.allclose(batch.boxes[0, 0], torch.tensor([8, 11 * 29 / 33, 24, 29]))


def test_a_flip_mirrors_image_and_boxes(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(32, 40)], [[{"bbox": [5, 6, 10, 8]}]])
    straight = only_batch(dataset, short_edge=(32,), long_edge=40)
    flipped = only_batch(dataset, short_edge=(32,), long_edge=40, flip=1.0)
    assert torch.equal(flipped.images[0, :, :, :40], straight.images[0, :, :, :40].flip(-1))
    assert flipped.boxes[0, 0].tolist() == [25, 6, 35, 14]  # x -> 40 - x


def test_boxes_are_clipped_and_those_outside_dropped(tmp_path: Path) -> None:
    boxes = [[-5, -6, 10, 10], [30, 20, 100, 100], [41, 5, 10, 10]]
    dataset = write(tmp_path, [(32, 40)], [[{"bbox": box} for box in boxes]])
    batch = only_batch(dataset, short_edge=(32,), long_edge=40)
    assert batch.boxes[0, :3].tolist() == [[0, 0, 5, 4], [30, 20, 40, 32], [0, 0, 0, 0]]
    assert batch.labels[0].tolist() == [0, 0, -1, -1, -1, -1, -1, -1]


def test_a_box_without_extent_in_float32_is_dropped(tmp_path: Path) -> None:
    """At x = 1000 float32 steps are 6e-5 pixels: a box of 2e-5 pixels has no width, and would match
    every anchor.
    """
    batch = only_batch(
        write(tmp_path, [(40, 1100)], [[{"bbox": [1000, 10, 2e-5, 20]}, {"bbox": [5, 5, 9, 9]}]]),
        short_edge=(40,),
        long_edge=1100,
    )
    assert (batch.labels >= 0).sum() == 1


def test_crowds_are_flagged(tmp_path: Path) -> None:
    dataset = write(
        tmp_path, [(32, 40)], [[{"bbox": [1, 1, 9, 9]}, {"bbox": [20, 2, 9, 9], "iscrowd": 1}]]
    )
    batch = only_batch(dataset, short_edge=(32,), long_edge=40)
    assert batch.labels[0, :3].tolist() == [0, 0, -1]
    assert batch.crowd[0, :3].tolist() == [False, True, False]


def augmented(
    dataset: CocoDataset, folder: Path, transforms: list[Any], **changes: Any
) -> DetectionBatch:
    import albumentations

    albumentations.save(albumentations.Compose(transforms), folder / "augment.json")
    return only_batch(dataset, augment=str(folder / "augment.json"), **changes)


@pytest.fixture
def albumentations(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    return pytest.importorskip("albumentations")


def test_an_augmentation_file_moves_boxes_and_keeps_their_labels(
    tmp_path: Path, albumentations: Any
) -> None:
    objects = [{"bbox": [1, 2, 5, 6], "iscrowd": 1}, {"bbox": [20, 10, 9, 9]}]
    dataset = write(tmp_path, [(32, 40)], [objects])
    batch = augmented(
        dataset, tmp_path, [albumentations.VerticalFlip(p=1)], short_edge=(32,), long_edge=40
    )
    assert torch.allclose(
        batch.boxes[0, :2], torch.tensor([[1.0, 24, 6, 30], [20, 13, 29, 22]]), atol=1e-4
    )
    assert batch.crowd[0, :2].tolist() == [True, False]


def test_a_crop_drops_boxes_and_is_fitted_into_the_planned_size(
    tmp_path: Path, albumentations: Any
) -> None:
    objects = [{"bbox": [30, 2, 9, 9], "iscrowd": 1}, {"bbox": [2, 4, 8, 8]}]
    dataset = write(tmp_path, [(32, 40)], [objects])
    crop = albumentations.Crop(x_min=0, y_min=0, x_max=16, y_max=16, p=1)
    batch = augmented(dataset, tmp_path, [crop], short_edge=(32,), long_edge=40)
    assert batch.sizes.tolist() == [[32, 32]]
    assert torch.allclose(batch.boxes[0, 0], torch.tensor([4.0, 8, 20, 24]), atol=1e-4)
    assert batch.labels[0, :2].tolist() == [0, -1]
    assert batch.crowd.sum() == 0


def test_boxes_beyond_the_border_survive_augmentation(tmp_path: Path, albumentations: Any) -> None:
    dataset = write(tmp_path, [(32, 40)], [[{"bbox": [-3, -1e-9, 43.00001, 32.001]}]])
    batch = augmented(
        dataset, tmp_path, [albumentations.HorizontalFlip(p=1)], short_edge=(32,), long_edge=40
    )
    assert torch.allclose(batch.boxes[0, 0], torch.tensor([0.0, 0, 40, 32]), atol=1e-3)
