"""Pasted objects and large-scale jitter: arithmetic by hand, and the same whatever the ranks and
restarts.
"""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_data import only_batch, picture, write
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, read_coco, read_segmentations
from tasks.datasets.coco.objects import decode_mask
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches
from tasks.detection.data.prepare import PlacedMasks
from tasks.engine.loading import Share
from tasks.engine.randomness import Stream, mix_keys
from tasks.vision.copy_paste import Prepared, paste_objects
from tasks.vision.placement import Crop, ImagePlan, Placement, resize

BOTH = DataConfig(
    batch_size=4,
    short_edge=(40,),
    long_edge=64,
    workers=0,
    scale_jitter=(0.1, 2.0),
    copy_paste=0.7,
    flip=0.5,
)


def prepared(
    value: int, boxes: list[list[float]], crowd: list[bool] | None = None, side: int = 20
) -> Prepared:
    """A square image of one value; object n has the label value + n."""
    return Prepared(
        image=torch.full((3, side, side), value, dtype=torch.uint8),
        original_size=(side, side),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        labels=value + np.arange(len(boxes)),
        crowd=np.array(crowd or [False] * len(boxes), dtype=np.bool_),
    )


def key_that_takes(*wanted: bool) -> int:
    """A key whose draws take just these of the source's objects."""
    return next(
        key
        for key in range(1000)
        if (mix_keys(key, Stream.PASTE, np.arange(len(wanted))) % 2 == 0).tolist() == [*wanted]
    )


def same(one: DetectionBatch, other: DetectionBatch) -> bool:
    return all(
        torch.equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
    )


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    objects = [
        [{"bbox": [n * 4, 3, 20, 20 + n]} for n in range(count)] for count in (1, 4, 2, 3, 5, 2)
    ]
    return write(tmp_path, [(40, 60), (60, 40), (50, 50), (33, 64), (48, 64), (64, 48)], objects)


# ----------------------------------------------------------------------------------------------
# copy-paste


def test_a_chosen_object_is_pasted_and_the_other_is_not() -> None:
    source = prepared(100, [[2, 3, 6, 8], [10, 10, 15, 15]])
    result = paste_objects(prepared(1, []), source, key_that_takes(True, False))
    assert (result.boxes.tolist(), result.labels.tolist()) == ([[2, 3, 6, 8]], [100])
    expected = torch.ones(3, 20, 20, dtype=torch.uint8)
    expected[:, 3:8, 2:6] = 100
    assert torch.equal(result.image, expected)


@pytest.mark.parametrize(
    ("pasted", "left"),
    [
        ([0, 0, 6, 20], [6, 4, 14, 14]),  # covers the left part over the full height
        ([4, 4, 14, 9], [4, 9, 14, 14]),  # covers the upper half
        ([0, 0, 9, 9], [4, 4, 14, 14]),  # covers a corner, so that the extent stays
        ([6, 6, 9, 9], [4, 4, 14, 14]),  # lies inside
        ([4.5, 0, 20, 20], None),  # pixels count whole: column 4 is covered too
        ([4, 4, 13.5, 14], None),
        ([0, 0, 20, 20], None),
    ],
)
def test_a_box_shrinks_to_what_is_visible(pasted: list[float], left: list[float] | None) -> None:
    result = paste_objects(
        prepared(1, [[4, 4, 14, 14]]), prepared(100, [pasted]), key_that_takes(True)
    )
    assert result.boxes.tolist() == ([left] if left else []) + [pasted]
    assert result.labels.tolist() == ([1] if left else []) + [100]


def test_crowds_are_neither_pasted_nor_changed() -> None:
    source = prepared(100, [[0, 0, 20, 20], [4, 4, 6, 6]], crowd=[True, False])
    result = paste_objects(
        prepared(1, [[4, 4, 6, 6]], crowd=[True]), source, key_that_takes(True, True)
    )
    assert (result.boxes.tolist(), result.crowd.tolist()) == (
        [[4, 4, 6, 6], [4, 4, 6, 6]],
        [True, False],
    )


def test_an_object_is_cut_at_the_targets_border() -> None:
    source = prepared(100, [[15, 15, 30, 28], [22, 22, 30, 30]], side=40)
    result = paste_objects(prepared(1, []), source, key_that_takes(True, True))
    assert result.boxes.tolist() == [[15, 15, 20, 20]]


def test_the_target_stays_as_it_was() -> None:
    target = prepared(1, [[4, 4, 14, 14]])
    paste_objects(target, prepared(100, [[0, 0, 20, 20]]), key_that_takes(True))
    assert target.image.unique().tolist() == [1]


def test_pasting_adds_objects_of_other_images(dataset: CocoDataset) -> None:
    plain, pasting = (
        replace(BOTH, copy_paste=0.0, scale_jitter=None),
        replace(BOTH, copy_paste=1.0, scale_jitter=None),
    )
    one, other = (next(TrainBatches(dataset, config).start(0)) for config in (plain, pasting))
    assert torch.equal(one.image_ids, other.image_ids)
    assert int((other.labels >= 0).sum()) > int((one.labels >= 0).sum())


# ----------------------------------------------------------------------------------------------
# large-scale jitter


def test_an_enlarged_image_is_cropped_and_its_boxes_with_it(tmp_path: Path) -> None:
    dataset = write(
        tmp_path,
        [(32, 64)],
        [[{"bbox": [0, 0, 64, 32]}, {"bbox": [30, 14, 4, 4]}, {"bbox": [0, 0, 1, 1]}]],
    )
    config = DataConfig(
        batch_size=1, short_edge=(32,), long_edge=64, workers=0, flip=0.0, scale_jitter=(2.0, 2.0)
    )
    batches = TrainBatches(dataset, config, Share(seed=1))
    crop = batches.plan(0).images[0].placement.crop
    batch = next(batches.start(0))
    assert crop is not None
    top, left = crop.top, crop.left
    assert 2 < top <= 32
    assert 2 < left <= 64
    assert batch.sizes.tolist() == [[32, 64]]
    assert batch.boxes[0, 0].tolist() == [0, 0, 64, 32]
    expected = [max(0, 60 - left), max(0, 28 - top), min(64, 68 - left), min(32, 36 - top)]
    assert batch.boxes[0, 1].tolist() == expected
    assert int((batch.labels >= 0).sum()) == 2
    enlarged = resize(picture(32, 64, 10), (64, 128), "antialias")
    assert torch.equal(batch.images[0, :, :32, :64], enlarged[:, top : top + 32, left : left + 64])


def test_a_reduced_image_is_padded(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(32, 64)], [[{"bbox": [8, 8, 16, 16]}]])
    batch = only_batch(dataset, short_edge=(32,), long_edge=64, scale_jitter=(0.5, 0.5))
    assert batch.sizes.tolist() == [[16, 32]]
    assert batch.boxes[0, 0].tolist() == [4, 4, 12, 12]


def test_jitter_towards_a_square(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(32, 64)], [[{"bbox": [0, 0, 64, 32]}]])
    sizes = {
        "short_edge": (32,),
        "long_edge": 64,
        "scale_jitter": (2.0, 2.0),
        "scale_jitter_side": 64,
    }
    assert only_batch(dataset, **sizes).sizes.tolist() == [[64, 64]]  # 64 x 128 cut to the square


# ----------------------------------------------------------------------------------------------
# counted chance


def test_ranks_workers_and_restarts_change_nothing(dataset: CocoDataset) -> None:
    whole = list(islice(TrainBatches(dataset, BOTH, Share(seed=3)).start(0), 4))
    again = list(islice(TrainBatches(dataset, replace(BOTH, workers=1), Share(seed=3)).start(2), 2))
    assert all(same(one, other) for one, other in zip(whole[2:], again, strict=True))
    parts = [
        next(TrainBatches(dataset, BOTH, Share(rank=rank, ranks=2, seed=3)).start(0))
        for rank in (0, 1)
    ]
    for field in fields(DetectionBatch):
        assert torch.equal(
            torch.cat([getattr(part, field.name) for part in parts]), getattr(whole[0], field.name)
        )


def test_boxes_stay_inside_their_images(dataset: CocoDataset) -> None:
    for batch in islice(TrainBatches(dataset, BOTH).start(0), 20):
        real = batch.labels >= 0
        limits = batch.sizes.flip(1).repeat(1, 2)[:, None]  # (B, 1, 4)
        assert bool((batch.boxes[real] >= 0).all())
        assert bool((batch.boxes <= limits).all())
        assert bool((batch.boxes[real][:, 2:] > batch.boxes[real][:, :2]).all())


def test_without_the_settings_a_step_is_what_it_was(dataset: CocoDataset) -> None:
    plain = TrainBatches(dataset, replace(BOTH, scale_jitter=None, copy_paste=0.0)).plan(0)
    changed = TrainBatches(dataset, BOTH).plan(0)
    assert all(image.placement.crop is None and image.paste is None for image in plain.images)
    assert [(i.index, i.key, i.placement.flip) for i in plain.images] == [
        (i.index, i.key, i.placement.flip) for i in changed.images
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"scale_jitter": (2.0, 0.1)},
            r"data\.scale_jitter must be null or two factors, 0 < low <= high",
        ),
        ({"scale_jitter": (0.0, 0.1)}, r"data\.scale_jitter must be"),
        ({"scale_jitter_side": 5000}, r"data\.scale_jitter_side must be"),
        ({"copy_paste": 1.5}, r"data\.copy_paste must be in \[0, 1\]"),
        ({"repeat_threshold": 0.0}, r"data\.repeat_threshold must be in \(0, 1\] or null"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(DataConfig(), **settings)


# ----------------------------------------------------------------------------------------------
# masks


def test_with_a_mask_only_its_pixels_are_pasted() -> None:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[2:6, 2:4] = mask[4:6, 2:8] = True
    source = replace(prepared(100, [[2, 2, 8, 6]]), masks=(mask,))
    result = paste_objects(prepared(1, [[4, 2, 8, 8]]), source, key_that_takes(True))
    assert torch.equal(result.image[0] == 100, torch.from_numpy(mask))
    assert result.boxes.tolist() == [
        [4, 2, 8, 8],
        [2, 2, 8, 6],
    ]  # rows 2 and 3 of the target's box are still seen


def square(low: int, high: int) -> NDArray[np.bool_]:
    """The mask of a square in an image of 20 pixels."""
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[low:high, low:high] = True
    return mask


def test_after_pasting_masks_belong_to_the_objects_that_are_left() -> None:
    """One object of the target is hidden, one half covered, one has no mask; two are pasted."""
    target = replace(
        prepared(1, [[1, 1, 4, 4], [2, 2, 12, 12], [14, 14, 18, 18]]),
        masks=(square(1, 4), square(2, 12), None),
    )
    source = replace(
        prepared(100, [[0, 0, 6, 6], [8, 8, 9, 9], [16, 0, 20, 3]]),
        masks=(square(0, 6), square(8, 9), None),
    )
    result = paste_objects(target, source, key_that_takes(True, False, True))
    assert result.labels.tolist() == [2, 3, 100, 102]
    assert result.masks is not None
    visible, none, pasted, whole_box = result.masks
    assert np.array_equal(visible, square(2, 12) & ~square(0, 6))
    assert np.array_equal(pasted, square(0, 6))
    assert none is None
    assert whole_box is None


def test_a_box_shrinks_to_the_visible_part_of_its_mask() -> None:
    """The lower right of the box was never the object's, so nothing there keeps its side."""
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[4:14, 4:8] = mask[4:6, 4:14] = True  # an angle: its upper arm is 2 pixels high
    target = replace(prepared(1, [[4, 4, 14, 14]]), masks=(mask,))
    result = paste_objects(target, prepared(100, [[0, 0, 20, 6]]), key_that_takes(True))
    assert result.boxes.tolist() == [[4, 6, 8, 14], [0, 0, 20, 6]]


def test_pasted_masks_have_the_targets_size() -> None:
    target = replace(prepared(1, [[0, 0, 2, 2]], side=12), masks=(None,))
    source = replace(prepared(100, [[4, 4, 9, 9]]), masks=(square(4, 9),))
    result = paste_objects(target, source, key_that_takes(True))
    assert result.masks is not None
    assert np.array_equal(result.masks[1], square(4, 9)[:12, :12])
    back = paste_objects(replace(source, masks=(None,)), target, key_that_takes(True))
    assert back.masks == (None, None)


def test_of_a_crowded_image_a_hundred_objects_are_pasted_and_few_masks_decoded() -> None:
    """fault_campaign 19."""
    decoded: list[int] = []

    class Masks(Sequence[Any]):
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, place: Any) -> Any:
            decoded.append(place)
            return square(4, 9)

    source = replace(prepared(100, [[4, 4, 9, 9]] * 1000), masks=Masks())
    assert len(paste_objects(prepared(1, []), source, 7).boxes) == 100
    assert len(decoded) == 100


def test_masks_that_nobody_asked_for_stay_away() -> None:
    source = replace(prepared(100, [[4, 4, 9, 9]]), masks=(square(4, 9),))
    assert paste_objects(prepared(1, []), source, key_that_takes(True)).masks is None


@pytest.mark.parametrize("flip", [False, True])
def test_masks_follow_their_image(tmp_path: Path, flip: bool) -> None:
    polygon = [[8, 4, 24, 4, 24, 20, 16, 20, 16, 12, 8, 12]]  # an L of three 8 x 8 squares
    dataset = write(
        tmp_path,
        [(32, 64)],
        [[{"bbox": [8, 4, 16, 16], "segmentation": polygon}, {"bbox": [0, 0, 4, 4]}]],
    )
    plan = ImagePlan(0, 5, Placement((64, 128), Crop(6, 10, (40, 60)), flip))
    mask, none = PlacedMasks(dataset, read_segmentations(dataset), np.arange(2), plan)
    assert none is None
    expected = np.zeros((64, 128), dtype=np.bool_)
    expected[8:24, 16:48] = expected[24:40, 32:48] = True
    expected = expected[6:46, 10:70]
    assert np.array_equal(mask, expected[:, ::-1] if flip else expected)


def test_masks_and_boxes_of_photographs_agree(coco200: Path) -> None:
    dataset = read_coco(coco200 / "annotations/instances_val.json", coco200 / "images/val")
    segmentations = read_segmentations(dataset)
    for row in range(0, 60, 7):
        owner = int(np.searchsorted(dataset.first, row, side="right")) - 1
        mask = decode_mask(
            json.loads(str(segmentations[row])), *dataset.sizes[owner].tolist(), "it"
        )
        assert mask is not None
        x, y, width, height = dataset.boxes[row]
        ys, xs = np.nonzero(mask)
        assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == [x, y, x + width, y + height]
