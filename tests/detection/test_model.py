from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_detector import TINY, tiny_batch, tiny_detector

from resnet_backbones.passport import Passport
from tasks.detection.config import RoiConfig
from tasks.detection.model import build_faster_rcnn, select_detections
from tasks.detection.rpn import Proposals

PROPOSALS = Proposals(
    torch.tensor([[[0.0, 0, 20, 20], [2, 0, 22, 20], [50, 50, 90, 90], [0, 0, 5, 5]]]),
    torch.tensor([[True, True, True, False]]),
)
SIZES = torch.tensor([[80, 100]])


def logits_of(*probabilities: list[float]) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def test_detections_are_chosen_per_class_by_hand() -> None:
    """The first two boxes overlap by 0.82: one of the same class goes; the third is clipped; the padding is dropped."""
    logits = logits_of([0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.02, 0.5, 0.48], [0.9, 0.05, 0.05])
    found = select_detections(PROPOSALS, logits, torch.zeros(1, 4, 2, 4), SIZES, RoiConfig(detections_per_image=5))
    assert found.labels[0].tolist() == [0, 1, 1, -1, -1]
    torch.testing.assert_close(found.scores[0, :3], torch.tensor([0.7, 0.5, 0.2]))
    assert found.boxes[0, 1].tolist() == [50, 50, 90, 80]
    assert found.valid[0].tolist() == [True, True, True, False, False]


def test_settings_of_the_test_time_rules_count() -> None:
    logits = logits_of([0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.02, 0.5, 0.48], [0.9, 0.05, 0.05])
    offsets = torch.zeros(1, 4, 2, 4)

    def labels(**settings: float) -> list[int]:
        found = select_detections(PROPOSALS, logits, offsets, SIZES, replace(RoiConfig(), **settings))
        return found.labels[found.valid].tolist()

    assert labels() == [0, 1, 1]
    assert labels(score_threshold=0.3) == [0, 1]
    assert labels(nms_threshold=0.9) == [0, 0, 1, 1, 1]
    assert labels(detections_per_image=1) == [0]
    assert labels(min_side=25.0) == [1]


@pytest.mark.parametrize("shape", [(32, 32), (96, 128), (64, 640)])
def test_detections_lie_inside_the_valid_part(shape: tuple[int, int]) -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.0))).eval()
    batch = tiny_batch([[], []], shape=shape)
    sizes = torch.tensor([[shape[0], shape[1]], [shape[0] - 7, shape[1] - 5]])
    with torch.no_grad():
        found = model(batch.images, sizes)
    assert found.valid.any(dim=1).all()
    for image, (height, width) in enumerate(sizes.tolist()):
        boxes = found.boxes[image, found.valid[image]]
        assert (boxes >= 0).all()
        assert (boxes[:, 2] <= width).all()
        assert (boxes[:, 3] <= height).all()


def test_padding_does_not_change_what_is_normalised() -> None:
    """Values in the padding are not seen: it is zero after the normalisation."""
    model = tiny_detector().eval()
    batch = tiny_batch([[]])
    sizes = torch.tensor([[60, 100]])
    noise = batch.images.clone()
    noise[:, :, 60:] = 200
    noise[:, :, :, 100:] = 3
    with torch.no_grad():
        for ours, theirs in zip(model.levels(batch.images, sizes), model.levels(noise, sizes), strict=True):
            assert torch.equal(ours, theirs)


def test_nothing_found_is_an_empty_result() -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.999))).eval()
    batch = tiny_batch([[]])
    with torch.no_grad():
        found = model(batch.images, batch.sizes)
    assert not found.valid.any()
    assert found.boxes.shape == (1, 100, 4)


def test_bf16_trunk_keeps_boxes_and_scores_fp32() -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.0))).eval()
    batch = tiny_batch([[]])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        levels = model.levels(batch.images, batch.sizes)
        found = model.detect(batch.images, levels, batch.sizes)
    assert levels[0].dtype == torch.bfloat16
    assert found.boxes.dtype == found.scores.dtype == torch.float32


def test_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one class"):
        build_faster_rcnn(TINY, 0)


def test_detector_weights_of_another_stride_position_are_refused() -> None:
    """They would fit by shape, and find less."""
    passport = Passport(architecture="resnet50", stride_in="1x1")
    with pytest.raises(ValueError, match=r"model\.stride_in must be .*1x1, got 3x3"):
        build_faster_rcnn(replace(TINY, backbone="resnet50"), 3, passport=passport)
