"""Windows and crops against torchvision's transforms."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.functional import resized_crop

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig, TestConfig
from tasks.classification.data.views import View, views_of
from tasks.classification.data.windows import (
    DRAWS,
    Window,
    crop_at,
    padded_square,
    resized_window,
    scaled_window,
    shorter_side_at,
)
from tasks.images import opened

SIZES = [(375, 500), (500, 375), (33, 900), (1, 1), (700, 20), (64, 64)]


def photo(height: int, width: int) -> Image.Image:
    """Smooth structure with noise on it."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    base = 128 + 80 * np.sin(x / 17)[..., None] * np.cos(y / 19)[..., None]
    return Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_resized_windows_lie_inside_with_allowed_area_and_ratio(size: tuple[int, int]) -> None:
    config = AugmentConfig()
    source = random.Random(1)
    for _ in range(50):
        window = resized_window(size, [source.random() for _ in range(DRAWS)], config)
        assert window.left >= 0
        assert window.left + window.width <= size[1]
        assert window.top >= 0
        assert window.top + window.height <= size[0]
        area = window.width * window.height / (size[0] * size[1])
        is_usual = 0.5 < size[0] / size[1] < 2
        assert not is_usual or 0.07 < area <= 1


def test_window_follows_its_draws() -> None:
    draws = [0.4, 0.5, 0.5, 0.0, 1 - 2**-24, *[0.0] * (DRAWS - 5)]
    window = resized_window((100, 200), draws, AugmentConfig(area=(0.25, 0.75), ratio=(0.5, 2.0)))
    side = round(math.sqrt(0.5 * 100 * 200))  # ratio 1, half the area: 100
    assert window == Window(100, 0, side, side, flip=True)


def test_no_window_that_fits_gives_the_largest_centred_one() -> None:
    impossible = [0.9, *([1 - 2**-24, 0.5, 0, 0] * 10)]  # a square of all the area of a strip
    window = resized_window((10, 100), impossible, AugmentConfig())
    assert window == Window((100 - 13) // 2, 0, 13, 10, flip=False)  # 4 : 3


@pytest.mark.parametrize("flip", [False, True])
def test_cut_is_torchvisions_resized_crop(flip: bool) -> None:
    image = photo(300, 400)
    with opened(image) as source:
        ours = Window(40, 30, 200, 150, flip).cut(source, 64, "bilinear")
    theirs = resized_crop(image, 30, 40, 150, 200, [64, 64])
    theirs = theirs.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else theirs
    assert np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).max() <= 1


def test_drafted_jpeg_is_close_to_the_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    photo(1200, 1600).save(file, quality=90)
    window = Window(100, 50, 1400, 1000, flip=False)
    with opened(file) as source:
        drafted = window.cut(source, 224, "bilinear")
        assert source.stored.size == (800, 600)  # 1000 / 2 is still twice 224
    with Image.open(file) as whole:
        theirs = resized_crop(whole.convert("RGB"), 50, 100, 1000, 1400, [224, 224])
    difference = np.abs(np.asarray(drafted, float) - np.asarray(theirs, float)).mean()
    assert difference <= 1.5


def test_scaled_window_is_a_crop_of_the_resized_image() -> None:
    image = photo(300, 400)
    config = AugmentConfig(crop="scaled", size=64, short_edge=(100, 100), flip=0.0)
    window = scaled_window((300, 400), [0.5, 0.5, 0.25, 0.75], config)
    with opened(image) as source:
        ours = window.cut(source, 64, "bilinear")
    resized = image.resize((133, 100), Image.Resampling.BILINEAR)
    left = int(0.75 * (133 - 64 + 1))
    top = int(0.25 * (100 - 64 + 1))
    theirs = resized.crop((left, top, left + 64, top + 64))
    assert np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).max() <= 1


def test_scaled_edges_are_drawn_from_first_to_last() -> None:
    config = AugmentConfig(crop="scaled", size=64, short_edge=(64, 66))
    edges = set()
    for draw in np.linspace(0, 0.999, 30):
        window = scaled_window((300, 300), [0.9, float(draw), 0, 0], config)
        edges.add(round(300 * 64 / window.width))
    assert edges == {64, 65, 66}


def test_padded_square_has_the_border_on_its_side() -> None:
    image = Image.fromarray(np.full((4, 4, 3), 9, dtype=np.uint8))
    config = AugmentConfig(crop="padded", size=4, pad=2, flip=0.0)
    with opened(image) as source:
        square = np.asarray(padded_square(source, [0.9, 0.0, 0.5], config, (1, 2, 3)))
    assert square[:, :2].reshape(-1, 3).tolist() == [[1, 2, 3]] * 8  # left of the image
    assert (square[:, 2:] == 9).all()


def test_square_larger_than_the_padded_image_is_refused() -> None:
    config = AugmentConfig(crop="padded", size=32, pad=4)
    with opened(photo(10, 20)) as source, pytest.raises(UserError, match="got one of 20x10"):
        padded_square(source, [0.5] * 3, config, (0, 0, 0))


@pytest.mark.parametrize("size", [(375, 500), (501, 333), (256, 256), (1, 1)])
def test_test_view_is_torchvisions_resize_and_center_crop(size: tuple[int, int]) -> None:
    image = photo(*size)
    theirs = v2.CenterCrop(224)(v2.Resize(256)(image))
    ours = View(256, 224).of(image, TestConfig())
    assert (np.asarray(ours) == np.asarray(theirs)).all()


def test_ten_views_are_torchvisions_ten_crop() -> None:
    image = photo(300, 280)
    config = TestConfig(resize=256, views="ten")
    (views,) = views_of(config)
    ours = [np.asarray(view.of(image, config)) for view in views]
    theirs = [np.asarray(crop) for crop in v2.TenCrop(224)(v2.Resize(256)(image))]
    assert len(ours) == 10
    for crop in theirs:
        assert sum((crop == mine).all() for mine in ours) >= 1


def test_scales_show_the_whole_image_at_each() -> None:
    config = TestConfig(views="scales", scales=(32, 64), flip=True)
    shapes = [
        [view.of(photo(50, 100), config).size for view in group] for group in views_of(config)
    ]
    assert shapes == [[(64, 32)] * 2, [(128, 64)] * 2]


def test_crop_larger_than_the_image_names_the_way_out() -> None:
    with pytest.raises(UserError, match=r"test\.crop=64 must fit .* 20x10; set test\.resize"):
        crop_at(photo(10, 20), 64)


def test_longer_side_is_rounded_down() -> None:
    assert shorter_side_at((375, 500), 256) == (256, 341)  # 341.33
    assert shorter_side_at((500, 333), 256) == (384, 256)  # 384.38
