"""What is done with one image in space: the recipes' resize rules, and images, boxes and masks that
stay together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from noise_data import picture
from numpy.typing import NDArray
from PIL import Image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from tasks.vision.placement import (
    Crop,
    Placement,
    fitted_size,
    jittered,
    resize,
    resized_size,
)


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


def test_resized_pixels_keep_their_layout_in_which_torch_is_fast() -> None:
    assert resize(picture(90, 70), (40, 50), "antialias").stride() == (1, 150, 3)


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


# ----------------------------------------------------------------------------------------------
# large-scale jitter


@pytest.mark.parametrize(
    ("factor", "draws", "size", "top", "left"),
    [
        (1.0, (0.9, 0.9), (75, 100), 0, 0),  # fits as it is: min(100 / 30, 100 / 40) = 2.5
        (0.1, (0.9, 0.9), (8, 10), 0, 0),  # 7.5 rounds to the even 8
        (2.0, (0.5, 0.25), (150, 200), 25, 25),  # 50 rows and 100 columns to choose from
    ],
)
def test_jittered_size_and_crop_by_hand(
    factor: float, draws: tuple[float, float], size: tuple[int, int], top: int, left: int
) -> None:
    resized, crop = jittered((30, 40), (100, 100), factor, draws)
    assert resized == size
    assert (crop.top, crop.left, crop.size) == (top, left, (100, 100))


@pytest.mark.parametrize("factor", [0.1, 0.37, 0.5, 1.0, 1.63, 2.0])
def test_jittered_size_is_detectron2s(factor: float) -> None:
    for height, width in np.random.default_rng(0).integers(20, 900, (200, 2)).tolist():
        target = (1024 * factor, 1024 * factor)  # `ResizeScale._get_resize`, as in detectron2
        output_scale = np.minimum(target[0] / height, target[1] / width)
        expected = np.round(np.multiply((height, width), output_scale)).astype(int).tolist()
        assert list(jittered((height, width), (1024, 1024), factor, (0, 0))[0]) == [
            max(1, side) for side in expected
        ]


# ----------------------------------------------------------------------------------------------
# placements

PLACEMENTS = [
    Placement((32, 40)),
    Placement((64, 80), flip=True),
    Placement((64, 80), Crop(6, 10, (40, 60))),
    Placement((64, 80), Crop(6, 10, (40, 60)), flip=True),
    Placement((48, 60), Crop(20, 3, (40, 60)), flip=True),  # reaches past the lower right corner
]


def blocks() -> NDArray[np.uint8]:
    """A picture (32, 40, 3) of 4 x 4 blocks, whose values say which block it is."""
    rows, columns = np.indices((32, 40)) // 4
    return np.repeat((10 * rows + columns).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_image_box_and_mask_stay_together(placement: Placement) -> None:
    """A block of a picture lies where its box and its mask say, whatever is done in space."""
    pixels = blocks()
    value = 10 * 3 + 5  # rows 12 to 16, columns 20 to 24
    image = placement.of_image(pixels, "bilinear")
    mask = placement.of_mask(pixels[:, :, 0] == value)
    (box,), (valid,) = placement.of_boxes(np.array([[20.0, 12, 24, 16]]), (32, 40))
    assert image.shape == (3, *placement.final_size)
    assert mask.shape == placement.final_size
    assert valid
    height, width = mask.shape
    y = np.arange(height) + 0.5
    x = np.arange(width) + 0.5
    inside_y = (y > box[1]) & (y < box[3])
    inside_x = (x > box[0]) & (x < box[2])
    assert np.array_equal(mask, np.outer(inside_y, inside_x))
    middle = image[0, int(box[1] + box[3]) // 2, int(box[0] + box[2]) // 2]
    assert int(middle) == value


def test_a_placement_by_hand() -> None:
    """20 x 40 pixels enlarged twice; rows 10 to 30 and columns 20 to 50 are kept and flipped."""
    placement = Placement((40, 80), Crop(10, 20, (20, 30)), flip=True)
    assert placement.final_size == (20, 30)
    boxes = np.array([[12.0, 6, 20, 12], [0, 0, 40, 20], [0, 0, 9, 4], [25, 5, 30, 9]])
    placed, valid = placement.of_boxes(boxes, (20, 40))
    # 24..40 - 20 -> 4..20, flipped 10..26; rows 12..24 - 10
    assert placed[0].tolist() == [10, 2, 26, 14]
    assert placed[1].tolist() == [0, 0, 30, 20]
    assert valid.tolist() == [True, True, False, False]  # the last one starts where the crop ends
    assert placed.dtype == np.float32


def test_a_crop_that_reaches_past_the_border_keeps_what_is_there() -> None:
    placement = Placement((40, 80), Crop(30, 60, (20, 30)))
    assert placement.final_size == (10, 20)
    assert placement.of_image(picture(20, 40), "antialias").shape == (3, 10, 20)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32])
def test_masks_take_the_nearest_pixel_and_keep_their_type(dtype: type) -> None:
    mask = np.array([[0, 1], [2, 3]]).astype(dtype)
    enlarged = Placement((4, 4)).of_mask(mask)
    assert enlarged.dtype == dtype
    assert np.array_equal(enlarged, mask.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(Placement((4, 4), flip=True).of_mask(mask), enlarged[:, ::-1])
    assert np.array_equal(Placement((2, 2)).of_mask(enlarged), mask)


def test_masks_take_the_pixel_that_torch_calls_nearest_exact() -> None:
    mask = np.arange(35 * 50).reshape(35, 50)
    for size in ((21, 77), (80, 13), (35, 50)):
        tensor = torch.from_numpy(mask)[None, None].double()
        expected = torch.nn.functional.interpolate(tensor, size=size, mode="nearest-exact")
        assert np.array_equal(Placement(size).of_mask(mask), expected[0, 0].numpy())


def test_an_image_of_another_shape_is_fitted_with_its_crop_inside() -> None:
    planned = Placement((200, 100), Crop(90, 0, (100, 100)), flip=True)
    fitted = planned.fitted((50, 100))
    assert fitted == Placement((50, 100), Crop(0, 0, (100, 100)), flip=True)
    assert fitted.final_size == (50, 100)
    assert planned.fitted((100, 50)) == planned
    assert Placement((80, 80)).fitted((100, 50)) == Placement((80, 40))
