"""One image and its boxes: the recipes' resize rule, scaling, flipping, clipping and
albumentations.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_data import only_batch, picture, write
from PIL import Image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.data.batches import DetectionBatch
from tasks.vision.placement import fitted_size, resize, resized_size


@pytest.mark.parametrize(
    ("size", "half_up", "floor"),
    [
        ((480, 640), (800, 1067), (800, 1066)),  # 640 * 5/3 = 1066.67
        ((640, 480), (1067, 800), (1066, 800)),
        ((427, 640), (800, 1199), (800, 1199)),  # 640 * 800/427 = 1199.06
        ((300, 900), (444, 1333), (444, 1333)),  # 1333/900 < 800/300; 300 * 1333/900 = 444.33
        ((800, 800), (800, 800), (800, 800)),
    ],
)
def test_resized_sizes_by_hand(
    size: tuple[int, int], half_up: tuple[int, int], floor: tuple[int, int]
) -> None:
    assert resized_size(size, 800, 1333, "half_up") == half_up
    assert resized_size(size, 800, 1333, "floor") == floor


def detectron2_size(height: int, width: int, short_edge: int, long_edge: int) -> tuple[int, int]:
    """`ResizeShortestEdge.get_output_shape`, as it stands in detectron2."""
    scale = short_edge * 1.0 / min(height, width)
    if height < width:
        new_height, new_width = short_edge * 1.0, scale * width
    else:
        new_height, new_width = scale * height, short_edge * 1.0
    if max(new_height, new_width) > long_edge:
        scale = long_edge * 1.0 / max(new_height, new_width)
        new_height, new_width = new_height * scale, new_width * scale
    return int(new_height + 0.5), int(new_width + 0.5)


def random_sizes(count: int, low: int, high: int) -> list[tuple[int, int]]:
    return [(int(h), int(w)) for h, w in np.random.default_rng(0).integers(low, high, (count, 2))]


def test_half_up_is_detectron2s_rule() -> None:
    for size in random_sizes(3000, 40, 2000):
        assert resized_size(size, 800, 1333, "half_up") == detectron2_size(*size, 800, 1333)


def test_floor_is_torchvisions_rule() -> None:
    for size in random_sizes(150, 20, 300):
        transform = GeneralizedRCNNTransform(80, 133, [0.0], [1.0])
        resized, _ = transform.resize(torch.zeros(1, *size), None)
        assert resized_size(size, 80, 133, "floor") == tuple(resized.shape[1:])


def test_a_thin_image_keeps_a_pixel() -> None:
    assert resized_size((1, 5000), 800, 1333, "half_up") == (1, 1333)
    assert resized_size((1, 5000), 800, 1333, "floor") == (1, 1333)


@pytest.mark.parametrize("size", [(37, 61), (120, 200), (55, 30)])
def test_antialias_is_pils_bilinear_filter(size: tuple[int, int]) -> None:
    pixels = picture(90, 70)
    expected = np.asarray(
        Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    )
    ours = resize(pixels, size, "antialias").permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_antialias_is_pils_bilinear_filter_on_photographs(coco200: Path) -> None:
    path = min((coco200 / "images" / "val").glob("*.jpg"))
    pixels = np.array(Image.open(path).convert("RGB"))
    expected = np.asarray(Image.fromarray(pixels).resize((200, 150), Image.Resampling.BILINEAR))
    ours = resize(pixels, (150, 200), "antialias").permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_bilinear_is_torchvisions_resize_to_the_rounding() -> None:
    pixels = picture(90, 70)
    transform = GeneralizedRCNNTransform(60, 200, [0.0], [1.0]).eval()
    expected, _ = transform.resize(torch.from_numpy(pixels).permute(2, 0, 1).float(), None)
    ours = resize(pixels, (77, 60), "bilinear")
    assert (ours.float() - expected).abs().max() <= 0.5 + 1e-4


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    pixels = picture(20, 30)
    assert np.array_equal(resize(pixels, (20, 30), "antialias").permute(1, 2, 0).numpy(), pixels)


def test_fitted_size_stays_within_the_limit() -> None:
    assert fitted_size((100, 50), (80, 80)) == (80, 40)
    assert fitted_size((10, 20), (80, 60)) == (30, 60)


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
