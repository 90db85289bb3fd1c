from __future__ import annotations

import pytest
import torch
from detection import references
from torchvision.ops import nms

from tasks.detection.ops.kernels.nms_passes import nms_by_passes
from tasks.detection.ops.suppression import nms_mask


def random_boxes(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(*shape, 2, generator=generator) * 60
    side = 1 + torch.rand(*shape, 2, generator=generator) * 60
    return torch.cat((corner, corner + side), dim=-1)


def random_valid(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3)) > 0.2


@pytest.mark.parametrize("gpu_passes", [None, 24])
@pytest.mark.usefixtures("either_route")
def test_suppression_is_greedy(gpu_passes: int | None) -> None:
    boxes, valid = random_boxes(3, 200), random_valid(3, 200)
    keep = nms_mask(boxes, valid, 0.5, gpu_passes)
    assert torch.equal(keep, references.nms_mask(boxes, valid, 0.5))


@pytest.mark.parametrize("gpu_passes", [None, 24])
@pytest.mark.usefixtures("either_route")
def test_suppression_equals_torchvision(gpu_passes: int | None) -> None:
    boxes, valid = random_boxes(3, 200), random_valid(3, 200)
    keep = nms_mask(boxes, valid, 0.5, gpu_passes)
    for image in range(3):
        own = boxes[image, valid[image]]
        kept = nms(own, torch.arange(len(own), 0, -1.0), 0.5)
        torch.testing.assert_close(boxes[image, keep[image]], own[kept.sort().values])


CHAIN = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [8.0, 0.0, 18.0, 10.0]]])


def test_one_pass_is_not_the_fixed_point() -> None:
    valid = torch.ones(1, 3, dtype=torch.bool)
    assert nms_by_passes(CHAIN, valid, 0.4, passes=1).tolist() == [[True, False, False]]
    assert nms_by_passes(CHAIN, valid, 0.4, passes=2).tolist() == [[True, False, True]]
    assert nms_mask(CHAIN, valid, 0.4).tolist() == [[True, False, True]]


def test_passes_are_a_gpus_and_only_where_allowed(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """One pass tells the routes apart; inference allows none."""
    valid = torch.ones(1, 3, dtype=torch.bool)
    exact = [[True, False, True]]
    assert nms_mask(CHAIN, valid, 0.4, gpu_passes=1).tolist() == exact
    request.getfixturevalue("gpu_routes")
    assert nms_mask(CHAIN, valid, 0.4).tolist() == exact
    assert nms_mask(CHAIN, valid, 0.4, gpu_passes=1).tolist() == [[True, False, False]]
