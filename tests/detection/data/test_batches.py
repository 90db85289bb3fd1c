"""Batches: padding, which images they hold, and chance that depends on the step alone."""

import copy
import subprocess
import sys
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from noise_data import odd_dataset, only_batch, picture, write
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import TrainBatches, ValBatches, collate_images
from tasks.engine.loading import Share
from tasks.vision.padding import padded_objects, padded_side
from tasks.vision.placement import resize, resized_size

ROOT = Path(__file__).resolve().parents[3]
SIZES = [(40, 60), (60, 40), (50, 50), (33, 90), (48, 64), (64, 48), (30, 44)]  # height, width
CONFIG = DataConfig(batch_size=4, short_edge=(32, 40, 48), long_edge=80, workers=0)


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    """Seven images with 1 to 10 objects."""
    counts = [1, 2, 10, 1, 3, 4, 2]
    return write(
        tmp_path, SIZES, [[{"bbox": [n, 3, 12, 9 + n]} for n in range(count)] for count in counts]
    )


def tensors(batch: DetectionBatch) -> list[torch.Tensor]:
    return [getattr(batch, field.name) for field in fields(batch)]


def equal(one: DetectionBatch, other: DetectionBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def joined(batches: list[DetectionBatch]) -> DetectionBatch:
    return DetectionBatch(*(torch.cat(parts) for parts in zip(*map(tensors, batches), strict=True)))


# ----------------------------------------------------------------------------------------------
# padding


def side_of(side: int, config: DataConfig) -> int:
    return padded_side(side, config.size_divisor, config.long_edge)


def test_padded_sides_are_few() -> None:
    config = DataConfig()
    assert [side_of(side, config) for side in (1, 33, 256, 257, 641, 800, 1333)] == [
        32,
        64,
        256,
        320,
        704,
        832,
        1344,
    ]
    assert len({side_of(side, config) for side in range(1, 1334)}) == 25
    assert (
        side_of(200, replace(config, short_edge=(150,), long_edge=200)) == 224
    )  # never beyond the long edge's


def test_padded_sides_divide() -> None:
    config = DataConfig(size_divisor=96)
    assert all(
        side_of(side, config) % 96 == 0 and side_of(side, config) >= side for side in range(1, 1334)
    )


def test_padded_objects_are_powers_of_two_from_eight() -> None:
    counts = [0, 1, 8, 9, 16, 17, 2000]
    assert [padded_objects(count) for count in counts] == [8, 8, 8, 16, 16, 32, 2048]


def test_pixels_outside_the_image_are_zero_and_layout_is_channels_last(
    dataset: CocoDataset,
) -> None:
    batch = next(TrainBatches(dataset, CONFIG).start(0))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    for image, (height, width) in zip(batch.images, batch.sizes.tolist(), strict=True):
        assert image[:, height:].sum() == image[:, :, width:].sum() == 0
        assert image[:, height - 1].sum() > 0
        assert image[:, :, width - 1].sum() > 0


def test_two_thousand_objects_fit(tmp_path: Path) -> None:
    dataset = write(
        tmp_path, [(64, 64)], [[{"bbox": [n % 60, n // 60, 3, 3]} for n in range(2000)]]
    )
    batch = only_batch(dataset, short_edge=(64,), long_edge=64)
    assert batch.boxes.shape == (1, 2048, 4)
    assert int((batch.labels >= 0).sum()) == 2000


# ----------------------------------------------------------------------------------------------
# which images


def test_images_with_crowds_only_or_nothing_are_left_out_of_training(tmp_path: Path) -> None:
    crowd = {"bbox": [1, 1, 9, 9], "iscrowd": 1}
    dataset = write(tmp_path, [(32, 40)] * 3, [[{"bbox": [1, 1, 9, 9]}], [crowd], []])
    batches = TrainBatches(dataset, CONFIG)
    assert batches.plan.usable.tolist() == [0]
    assert batches.warnings[0].startswith(
        "2 of 3 training images have no object that is not a crowd, and were left out"
    )
    kept = TrainBatches(dataset, replace(CONFIG, keep_empty=True))
    assert (kept.plan.usable.tolist(), kept.warnings) == ([0, 1, 2], ())


def test_no_image_to_train_on_is_refused(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(32, 40)], [[]])
    with pytest.raises(
        UserError,
        match=r"has none in 1 images; check its annotations, or set data\.keep_empty=true",
    ):
        TrainBatches(dataset, CONFIG)


def test_a_batch_of_empty_images_is_a_batch(tmp_path: Path) -> None:
    dataset = write(tmp_path, [(32, 40)] * 2, [[], []])
    batch = next(TrainBatches(dataset, replace(CONFIG, batch_size=2, keep_empty=True)).start(0))
    assert batch.boxes.shape == (2, 8, 4)
    assert batch.labels.unique().tolist() == [-1]


def test_portrait_and_landscape_are_not_mixed_where_avoidable(tmp_path: Path) -> None:
    one = [{"bbox": [1, 1, 9, 9]}]
    dataset = write(tmp_path, [(20, 32), (32, 20)] * 6, [one] * 12)
    batches = TrainBatches(dataset, replace(CONFIG, batch_size=3))
    for step in range(batches.epoch_length):
        height_above_width = {
            image.placement.size[0] > image.placement.size[1] for image in batches.plan(step).images
        }
        assert len(height_above_width) == 1


def test_an_epoch_holds_every_image(dataset: CocoDataset) -> None:
    batches = TrainBatches(dataset, CONFIG)
    assert batches.epoch_length == 2
    seen = {image.index for step in range(2) for image in batches.plan(step).images}
    assert seen == set(range(7))


def test_validation_has_every_image_once_over_all_ranks(tmp_path: Path) -> None:
    crowd = {"bbox": [1, 1, 9, 9], "iscrowd": 1}
    dataset = write(tmp_path, SIZES, [[crowd], [], *[[{"bbox": [1, 1, 9, 9]}]] * 5])
    parts = [
        ValBatches(dataset, CONFIG, Share(rank=rank, ranks=3), batch_size=2) for rank in range(3)
    ]
    ids = sorted(number for part in parts for batch in part for number in batch.image_ids.tolist())
    assert ids == [1, 2, 3, 4, 5, 6, 7]
    assert [len(part) for part in parts] == [len(list(part)) for part in parts]


def test_in_validation_the_padding_of_an_image_is_its_own(dataset: CocoDataset) -> None:
    for batch in ValBatches(dataset, CONFIG, batch_size=7):
        expected = (-(-batch.sizes // 32) * 32).unique(dim=0).tolist()
        assert [list(batch.images.shape[2:])] == expected


def test_validation_resizes_to_the_test_edge_without_flips(dataset: CocoDataset) -> None:
    for batch in ValBatches(dataset, replace(CONFIG, flip=1.0, val_short_edge=36), batch_size=2):
        for row, number in enumerate(batch.image_ids.tolist()):
            size = resized_size(SIZES[number - 1], 36, 80, "half_up")
            assert tuple(batch.sizes[row].tolist()) == size
            expected = resize(picture(*SIZES[number - 1], number + 9), size, "antialias")
            assert torch.equal(batch.images[row, :, : size[0], : size[1]], expected)


# ----------------------------------------------------------------------------------------------
# counted chance


@pytest.mark.parametrize(("ranks", "accumulate"), [(2, 1), (4, 1), (2, 2), (1, 4)])
def test_ranks_and_micro_batches_split_the_same_global_batch(
    dataset: CocoDataset, ranks: int, accumulate: int
) -> None:
    whole = list(islice(TrainBatches(dataset, CONFIG, Share(seed=3)).start(0), 3))
    parts = [
        list(
            islice(
                TrainBatches(
                    dataset, CONFIG, Share(rank=rank, ranks=ranks, accumulate=accumulate, seed=3)
                ).start(0),
                3 * accumulate,
            )
        )
        for rank in range(ranks)
    ]
    for step, batch in enumerate(whole):
        own = slice(step * accumulate, (step + 1) * accumulate)
        assert equal(joined([micro for rank in parts for micro in rank[own]]), batch)


def test_a_restart_at_a_step_yields_the_same_batches(dataset: CocoDataset) -> None:
    uninterrupted = list(islice(TrainBatches(dataset, CONFIG, Share(seed=3)).start(0), 6))
    restarted = list(islice(TrainBatches(dataset, CONFIG, Share(seed=3)).start(4), 2))
    assert all(equal(one, other) for one, other in zip(uninterrupted[4:], restarted, strict=True))


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_the_number_of_workers_changes_nothing(dataset: CocoDataset, jitter: float) -> None:
    config = replace(CONFIG, color_jitter=jitter)
    runs = [
        list(islice(TrainBatches(dataset, replace(config, workers=n)).start(0), 5))
        for n in (0, 1, 2)
    ]
    for batches in runs[1:]:
        assert all(equal(one, other) for one, other in zip(runs[0], batches, strict=True))


def test_the_global_generator_is_neither_read_nor_moved(dataset: CocoDataset) -> None:
    torch.manual_seed(1)
    first = next(TrainBatches(dataset, CONFIG).start(0))
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert equal(next(TrainBatches(dataset, CONFIG).start(0)), first)


def test_seeds_and_steps_differ(dataset: CocoDataset) -> None:
    keys = [
        key
        for seed in (0, 1)
        for b in islice(TrainBatches(dataset, CONFIG, Share(seed=seed)).start(0), 4)
        for key in b.keys.tolist()
    ]
    assert len(set(keys)) == len(keys) == 32


def test_short_edges_and_flips_are_drawn_evenly(dataset: CocoDataset) -> None:
    batches = TrainBatches(dataset, replace(CONFIG, flip=0.25, long_edge=1000))
    images = [image for step in range(300) for image in batches.plan(step).images]  # 1200 draws
    edges = np.bincount([min(image.placement.size) for image in images])[[32, 40, 48]]
    assert edges.sum() == 1200
    assert np.abs(edges - 400).max() < 66  # four standard deviations of 16.3
    assert abs(sum(image.placement.flip for image in images) - 300) < 60  # four of 15


def test_a_batch_that_does_not_divide_is_refused(dataset: CocoDataset) -> None:
    with pytest.raises(UserError, match=r"3 ranks x optim\.accumulate=1, got 4; try 3"):
        TrainBatches(dataset, CONFIG, Share(ranks=3))


# ----------------------------------------------------------------------------------------------
# errors


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_named_in_one_line(dataset: CocoDataset, workers: int) -> None:
    path = dataset.image_path(2)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=rf"^cannot decode {path}: ") as raised:
        list(ValBatches(dataset, replace(CONFIG, workers=workers)))
    assert "\n" not in str(raised.value)


def test_an_image_of_another_size_is_named(dataset: CocoDataset) -> None:
    Image.fromarray(picture(41, 60)).save(dataset.image_path(0))
    with pytest.raises(
        UserError, match=r"10\.png is 60x41 pixels \(width x height\), its annotations say 60x40"
    ):
        list(ValBatches(dataset, CONFIG))


def test_an_augmentation_file_that_is_none_is_named(dataset: CocoDataset, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    with pytest.raises(UserError, match=r"data\.augment must be .* cannot load .*wrong\.json"):
        TrainBatches(dataset, replace(CONFIG, augment=str(tmp_path / "wrong.json")))


# ----------------------------------------------------------------------------------------------
# prediction, round trip


def test_color_jitter_changes_pixels_only(dataset: CocoDataset) -> None:
    plain, jittered = (
        next(TrainBatches(dataset, replace(CONFIG, color_jitter=s)).start(0)) for s in (0.0, 0.8)
    )
    assert not torch.equal(plain.images, jittered.images)
    assert equal(replace(jittered, images=plain.images, boxes=plain.boxes), plain)
    assert torch.allclose(jittered.boxes, plain.boxes, atol=1e-4)


def test_collated_images_equal_those_of_validation(dataset: CocoDataset) -> None:
    for batch in ValBatches(dataset, CONFIG):
        number = int(batch.image_ids[0])
        collated = collate_images([picture(*SIZES[number - 1], number + 9)], CONFIG)
        for name in ("images", "sizes", "scales", "original_sizes"):
            assert torch.equal(getattr(collated, name), getattr(batch, name))


def test_collated_images_have_no_targets() -> None:
    batch = collate_images([picture(40, 60), picture(64, 48)], CONFIG)
    assert batch.images.shape == (2, 3, 64, 96)
    assert batch.labels.tolist() == [[-1] * 8] * 2
    assert batch.keys.tolist() == [0, 0]
    assert len(batch) == 2


def test_a_batch_moves_as_a_whole(dataset: CocoDataset) -> None:
    batch = next(TrainBatches(dataset, CONFIG).start(0))
    moved = batch.to(torch.device("meta"))
    assert all(tensor.device.type == "meta" for tensor in tensors(moved))


def test_ground_truth_of_odd_files_survives_the_way_through_batches(tmp_path: Path) -> None:
    dataset = odd_dataset(tmp_path)
    batches = TrainBatches(dataset, replace(CONFIG, batch_size=3, flip=0.0))
    batch = next(batches.start(0))
    for row, number in enumerate(batch.image_ids.tolist()):
        rows = dataset.objects(number - 1)
        count = rows.stop - rows.start
        scale = batch.scales[row].double().flip(0).repeat(2)  # (4,) x, y, x, y
        x1, y1, x2, y2 = (batch.boxes[row, :count].double() / scale).T
        restored = torch.stack([x1, y1, x2 - x1, y2 - y1], dim=1)
        assert np.abs(restored.numpy() - dataset.boxes[rows]).max() < 1e-4
        assert batch.labels[row, :count].tolist() == dataset.labels[rows].tolist()
        assert batch.crowd[row, :count].tolist() == dataset.crowd[rows].tolist()


SIGNALLED = """
import os, signal, sys, time
from tasks.datasets.coco.dataset import read_coco
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import TrainBatches

caught = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: caught.append(number))
config = DataConfig(batch_size=2, short_edge=(32,), long_edge=80, workers=2)
batches = TrainBatches(read_coco(sys.argv[1]), config).start(0)
for _ in range(2):  # one from each worker
    next(batches)
for number in (signal.SIGINT, signal.SIGTERM):
    os.killpg(os.getpgrp(), number)
time.sleep(0.5)
print(len([next(batches) for _ in range(12)]), len(caught))
"""


def test_signals_to_the_process_group_leave_the_workers_running(dataset: CocoDataset) -> None:
    command = [sys.executable, "-c", SIGNALLED, str(dataset.path)]
    result = subprocess.run(
        command, capture_output=True, text=True, start_new_session=True, timeout=60, cwd=ROOT
    )
    assert (result.stdout.split(), result.returncode) == (["12", "2"], 0), result.stderr


def test_a_plan_depends_on_nothing_that_ran_before(dataset: CocoDataset) -> None:
    batches = TrainBatches(dataset, CONFIG)
    untouched = copy.deepcopy(batches)
    for step in (5, 0, 9):
        batches.plan(step)
    assert batches.plan(7) == untouched.plan(7)
