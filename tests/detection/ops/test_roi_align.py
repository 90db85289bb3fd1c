from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from detection.references import roi_align_by_level
from torchvision.ops import MultiScaleRoIAlign, roi_align

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.detection.ops.kernels import roi_gather
from tasks.detection.ops.roi_align import RoiAlign, assign_levels

LEVELS = tuple(FeatureLevel(f"p{k}", 6, 2**k) for k in range(2, 6))
HEIGHT, WIDTH = 160, 256
ALIGN = RoiAlign(
    levels=LEVELS, resolution=7, sampling_ratio=2, aligned=True, level_rule="detectron2"
)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"sampling_ratio": 3, "resolution": 5},
    {"aligned": False},
    {"sampling_ratio": 0},
    {"sampling_ratio": 0, "aligned": False, "resolution": 5},
    {"level_rule": "torchvision"},
]


def make_features() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        level.name: torch.randn(
            2,
            level.channels,
            HEIGHT // level.stride,
            WIDTH // level.stride,
            generator=generator,
            requires_grad=True,
        )
        for level in LEVELS
    }


def make_boxes() -> torch.Tensor:
    """Boxes of every level's size; some without extent, some touching the border, one the whole
    image.
    """
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(2, 60, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT]) * 0.9
    side = 2.0 ** (torch.rand(2, 60, 2, generator=generator) * 8)
    boxes = torch.cat((corner, corner + side), dim=-1)
    boxes = torch.minimum(boxes, torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT]).float())
    boxes[:, 0] = torch.tensor([0.0, 0.0, WIDTH, HEIGHT])
    boxes[:, 1] = torch.tensor([WIDTH - 1.0, HEIGHT - 1.0, WIDTH, HEIGHT])
    boxes[:, 2] = 0
    return boxes


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.usefixtures("either_route")
def test_every_route_equals_torchvisions_kernel(settings: dict[str, Any]) -> None:
    """Values and gradients."""
    align, features, boxes = replace(ALIGN, **settings), make_features(), make_boxes()
    ours = align(features, boxes)
    theirs = roi_align_by_level(align, features, boxes)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    inputs = list(features.values())
    expected = torch.autograd.grad(theirs.square().sum(), inputs)
    gradients = torch.autograd.grad(ours.square().sum(), inputs)
    for gradient, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-3)


def test_a_gpu_gathers_where_the_packed_pyramid_would_not_do(
    gpu_routes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.zeros(1)
    assert not ALIGN.gathers(x)
    assert replace(ALIGN, aligned=False).gathers(x)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert ALIGN.gathers(x)


def test_a_cpu_gathers() -> None:
    assert ALIGN.gathers(torch.zeros(1))


def test_torchvision_recipe_equals_its_multi_scale_pooler() -> None:
    features, boxes = make_features(), make_boxes()[:, 3:]
    pooler = MultiScaleRoIAlign(list(features), output_size=7, sampling_ratio=2)
    theirs = pooler(features, list(boxes), [(HEIGHT, WIDTH)] * 2)
    ours = replace(ALIGN, aligned=False, level_rule="torchvision")(features, boxes)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("either_route")
def test_one_level_takes_boxes_of_every_size() -> None:
    """As in a detector without a pyramid; other maps are not looked at."""
    features, boxes = make_features(), make_boxes()
    align = replace(ALIGN, levels=LEVELS[2:3])
    image = torch.arange(2).repeat_interleave(boxes.shape[1]).float()
    rois = torch.cat((image[:, None], boxes.flatten(0, 1)), dim=1)
    theirs = roi_align(features["p4"], rois, 7, 1 / 16, 2, aligned=True)
    torch.testing.assert_close(align(features, boxes), theirs, rtol=1e-4, atol=1e-5)


def test_levels_whose_strides_do_not_double_are_refused() -> None:
    with pytest.raises(UserError, match=r"strides double, got strides \[4, 16\]"):
        replace(ALIGN, levels=(LEVELS[0], LEVELS[2]))


def test_adaptive_features_do_not_depend_on_how_many_are_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, boxes = make_features(), make_boxes()
    align = replace(ALIGN, sampling_ratio=0)
    together = align(features, boxes)
    monkeypatch.setattr(roi_gather, "POINTS_AT_ONCE", 2000)
    torch.testing.assert_close(align(features, boxes), together, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["detectron2", "torchvision"])
def test_level_by_hand(rule: Literal["detectron2", "torchvision"]) -> None:
    sides = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 448.0, 4000.0, 0.0])
    boxes = torch.stack((torch.zeros(8), torch.zeros(8), sides, sides), dim=1)
    assert assign_levels(boxes, (4, 8, 16, 32), rule).tolist() == [0, 0, 1, 1, 2, 3, 3, 0]
    assert assign_levels(boxes, (8, 16), rule).tolist() == [0, 0, 0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("sampling_ratio", [2, 0])
def test_gathering_without_gradients_stays_in_bf16(sampling_ratio: int) -> None:
    """No further from fp32 than a few roundings of bf16, and in bf16 throughout."""
    align = replace(ALIGN, sampling_ratio=sampling_ratio)
    features = {name: level.detach().bfloat16() for name, level in make_features().items()}
    with torch.no_grad():
        pooled = align(features, make_boxes())
    in_fp32 = {name: level.float() for name, level in features.items()}
    exact = roi_align_by_level(align, in_fp32, make_boxes())
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(pooled.float(), exact, rtol=2e-2, atol=3e-2)


@pytest.mark.usefixtures("either_route")
def test_bf16_is_learnt_from_with_gradients_added_up_in_fp32() -> None:
    """Sums of many boxes' gradients in bf16 would lose the small ones."""
    features = {
        name: level.detach().bfloat16().requires_grad_() for name, level in make_features().items()
    }
    in_fp32 = {name: level.detach().float().requires_grad_() for name, level in features.items()}
    pooled = ALIGN(features, make_boxes())
    exact = roi_align_by_level(ALIGN, in_fp32, make_boxes())
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(pooled.float(), exact, rtol=2e-2, atol=3e-2)
    upstream = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(2)).bfloat16()
    gradients = torch.autograd.grad(pooled, list(features.values()), upstream)
    wanted = torch.autograd.grad(exact, list(in_fp32.values()), upstream.float())
    for gradient, expected in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient.float(), expected, rtol=1e-2, atol=1e-2)
