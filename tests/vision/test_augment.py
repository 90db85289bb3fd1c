"""albumentations on named targets, and what comes back from it is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from noise_data import picture

from resnet_backbones.errors import UserError
from tasks.vision.augment import Augmenter, Targets, build_augmenter

IMAGE = picture(32, 40)
BOXES = np.array([[4.0, 3, 20, 9], [30, 20, 38, 30]])


@pytest.fixture
def albumentations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    module: ModuleType = pytest.importorskip("albumentations")
    return module


def test_nothing_asked_is_no_augmenter() -> None:
    assert build_augmenter(None, 0.0) is None


def test_image_boxes_and_masks_move_together(albumentations: Any) -> None:
    objects = np.zeros((32, 40), dtype=np.bool_)
    objects[3:9, 4:20] = True
    classes = objects.astype(np.int16) * 300
    augmenter = Augmenter([albumentations.VerticalFlip(p=1)])
    found, kept = augmenter(Targets(IMAGE, BOXES, (objects, classes)), 7)
    assert np.array_equal(found.image, IMAGE[::-1])
    assert found.boxes == pytest.approx(np.array([[4, 23, 20, 29], [30, 2, 38, 12]]), abs=1e-4)
    assert kept.tolist() == [0, 1]
    assert found.masks is not None
    for after, before in zip(found.masks, (objects, classes), strict=True):
        assert after.dtype == before.dtype
        assert np.array_equal(after, before[::-1])


def test_boxes_that_are_left_name_what_they_were(albumentations: Any) -> None:
    crop = albumentations.Crop(x_min=24, y_min=16, x_max=40, y_max=32, p=1)
    found, kept = Augmenter([crop])(Targets(IMAGE, BOXES), 7)
    assert kept.tolist() == [1]
    assert found.boxes == pytest.approx(np.array([[6, 4, 14, 14]]), abs=1e-4)
    assert found.masks is None


def test_an_image_alone_takes_transforms_that_no_box_could_follow(albumentations: Any) -> None:
    """Boxes are spoken of only where boxes are given."""
    jigsaw = albumentations.RandomGridShuffle(grid=(2, 2), p=1)
    found, kept = Augmenter([jigsaw])(Targets(IMAGE), 7)
    assert found.boxes is None
    assert len(kept) == 0
    assert sorted(found.image.flatten()) == sorted(IMAGE.flatten())


def test_draws_follow_from_the_key_and_not_from_the_targets(albumentations: Any) -> None:
    augmenter = Augmenter([albumentations.RandomCrop(16, 16, p=1)])
    with_boxes = [augmenter(Targets(IMAGE, BOXES), key)[0].image for key in range(8)]
    alone = [augmenter(Targets(IMAGE), key)[0].image for key in reversed(range(8))]
    for first, second in zip(with_boxes, reversed(alone), strict=True):
        assert np.array_equal(first, second)
    assert len({image.tobytes() for image in alone}) > 1


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda a: a.Normalize(), r"float32 \(32, 40, 3\)"),
        (lambda a: a.ToFloat(), r"float32 \(32, 40, 3\)"),
        (lambda a: a.ToGray(num_output_channels=1, p=1), r"uint8 \(32, 40\)"),
    ],
    ids=["normalised", "float", "one channel"],
)
def test_images_that_are_none_are_refused(
    albumentations: Any, make: Callable[[Any], Any], seen: str
) -> None:
    with pytest.raises(UserError, match=rf"data\.augment must return uint8 images .* got {seen}"):
        Augmenter([make(albumentations)])(Targets(IMAGE, BOXES), 7)


def test_boxes_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever transform makes them; albumentations' own check the boxes first."""
    augmenter = Augmenter([])
    result = {"image": IMAGE, "bboxes": [[0.0, 0, float("nan"), 4]], "origins": [0]}
    monkeypatch.setattr(augmenter, "_run", lambda named, key: result)
    with pytest.raises(UserError, match=r"data\.augment must return boxes of finite numbers, got"):
        augmenter(Targets(IMAGE, BOXES), 7)


def test_a_transform_that_fails_is_one_line_with_the_size(albumentations: Any) -> None:
    crop = albumentations.RandomCrop(100, 100, p=1)
    with pytest.raises(UserError, match=r"data\.augment must hold .*40x32 pixels") as raised:
        Augmenter([crop])(Targets(IMAGE, BOXES), 7)
    assert "\n" not in str(raised.value)


def save(albumentations: Any, path: Path, transform: Any) -> str:
    """The file that data.augment names."""
    albumentations.save(albumentations.Compose([transform]), path, data_format="json")
    return str(path)


def test_an_error_names_the_settings_in_use(albumentations: Any, tmp_path: Path) -> None:
    file = save(albumentations, tmp_path / "crop.json", albumentations.RandomCrop(99, 99, p=1))
    for jitter, settings in (
        (0.0, r"data\.augment"),
        (0.5, r"data\.augment and data\.color_jitter"),
    ):
        augmenter = build_augmenter(file, jitter)
        assert augmenter is not None
        with pytest.raises(UserError, match=rf"^{settings} must hold transforms"):
            augmenter(Targets(IMAGE, BOXES), 7)


def failing(augmenter: Augmenter | None, error: Exception) -> Augmenter:
    """The augmenter with pipelines that raise an error."""
    assert augmenter is not None

    class Pipeline:
        def set_random_seed(self, seed: int) -> None:
            pass

        def __call__(self, **_: object) -> None:
            raise error

    augmenter.box_pipeline = Pipeline()
    return augmenter


def test_a_fault_without_the_users_own_transforms_keeps_its_traceback(albumentations: Any) -> None:
    augmenter = failing(build_augmenter(None, 0.5), ZeroDivisionError("planted"))
    with pytest.raises(ZeroDivisionError, match="planted"):
        augmenter(Targets(IMAGE, BOXES), 7)


def test_an_image_that_jitter_spoils_is_not_blamed_on_a_file(
    albumentations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    augmenter = build_augmenter(None, 0.5)
    assert augmenter is not None
    monkeypatch.setattr(augmenter, "_run", lambda named, key: {"image": IMAGE / 2})
    with pytest.raises(UserError, match=r"^data\.color_jitter must return uint8 images"):
        augmenter(Targets(IMAGE), 7)


def test_running_out_of_memory_is_no_mistake_of_the_user(albumentations: Any) -> None:
    augmenter = failing(Augmenter([albumentations.VerticalFlip(p=1)]), MemoryError())
    with pytest.raises(MemoryError):
        augmenter(Targets(IMAGE, BOXES), 7)


@pytest.mark.parametrize(
    ("name", "options", "made"),
    [
        ("Normalize", {"p": 0.01}, "float32"),
        ("ToFloat", {"max_value": 255}, "float32"),
        ("ToGray", {"num_output_channels": 1}, r"uint8 \(256, 256\)"),
    ],
)
def test_a_transform_that_makes_no_picture_is_named_at_the_start(
    albumentations: Any, tmp_path: Path, name: str, options: dict[str, Any], made: str
) -> None:
    """field_faults 1: even where it is applied once in a hundred images."""
    blur = albumentations.Blur(p=1)
    both = albumentations.Sequential([blur, getattr(albumentations, name)(**options)])
    file = save(albumentations, tmp_path / "a.json", both)
    with pytest.raises(UserError, match=rf"but {name} in .*a\.json makes {made}"):
        build_augmenter(file, 0.0)


def test_a_detour_over_floating_point_is_welcome(albumentations: Any, tmp_path: Path) -> None:
    transforms = [albumentations.ToFloat(255, p=1), albumentations.FromFloat("uint8", p=1)]
    file = save(albumentations, tmp_path / "a.json", albumentations.Sequential(transforms, p=1))
    assert build_augmenter(file, 0.0) is not None


@pytest.mark.parametrize(
    ("limits", "kept"), [({"min_visibility": 0.9}, [1]), ({"min_area": 50}, [1]), ({}, [0, 1])]
)
def test_boxes_are_left_out_as_the_file_says(
    albumentations: Any, tmp_path: Path, limits: dict[str, float], kept: list[int]
) -> None:
    """field_faults 2: as the pipeline itself leaves them out."""
    params = albumentations.BboxParams(format="pascal_voc", label_fields=["rows"], **limits)
    crop = albumentations.Crop(x_min=0, y_min=6, x_max=40, y_max=32, p=1)
    pipeline = albumentations.Compose([crop], bbox_params=params)
    albumentations.save(pipeline, tmp_path / "a.json", data_format="json")
    augmenter = build_augmenter(str(tmp_path / "a.json"), 0.0)
    assert augmenter is not None
    found, rows = augmenter(Targets(IMAGE, BOXES), 7)
    assert rows.tolist() == kept
    own = pipeline(image=IMAGE, bboxes=BOXES, rows=np.arange(2))
    assert own["rows"].astype(int).tolist() == kept
    assert found.boxes == pytest.approx(own["bboxes"], abs=1e-4)


def test_masks_of_another_size_are_refused(
    albumentations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    augmenter = Augmenter([albumentations.Blur(p=1)])
    result = {"image": IMAGE, "masks": [np.zeros((3, 3), dtype=np.uint8)]}
    monkeypatch.setattr(augmenter, "_run", lambda named, key: result)
    with pytest.raises(UserError, match=r"masks of the image's size, \(32, 40\), got \(3, 3\)"):
        augmenter(Targets(IMAGE, masks=(np.zeros((32, 40), dtype=np.uint8),)), 7)
