from typing import Literal

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align

from tasks.detection.config import RoiConfig
from tasks.detection.ops import roi_align as roi
from tasks.detection.ops.roi_align import RoiAlign, RoiPath, assign_levels

STRIDES = (4, 8, 16, 32)
HEIGHT, WIDTH = 160, 256


def make_levels() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(
            2, 6, HEIGHT // stride, WIDTH // stride, generator=generator, requires_grad=True
        )
        for stride in STRIDES
    ]


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


def reference(levels: list[torch.Tensor], boxes: torch.Tensor, config: RoiConfig) -> torch.Tensor:
    """torchvision's kernel level by level."""
    assigned = assign_levels(boxes, 4, config.level_rule).flatten()
    image = torch.arange(len(boxes)).repeat_interleave(boxes.shape[1]).float()
    rois = torch.cat((image[:, None], boxes.flatten(0, 1)), dim=1)
    pooled = torch.zeros(len(rois), levels[0].shape[1], config.resolution, config.resolution)
    for number, (level, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        ratio = config.sampling_ratio or -1
        windows = roi_align(level, rois, config.resolution, 1 / stride, ratio, config.aligned)
        pooled = torch.where((assigned == number)[:, None, None, None], windows, pooled)
    return pooled


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("gather", RoiConfig()),
        ("gather", RoiConfig(sampling_ratio=3, resolution=5)),
        ("gather", RoiConfig(aligned=False)),
        ("atlas", RoiConfig()),
        ("gather", RoiConfig(sampling_ratio=0)),
        ("gather", RoiConfig(sampling_ratio=0, aligned=False, resolution=5)),
        ("atlas", RoiConfig(sampling_ratio=0)),
        ("plain", RoiConfig()),
        ("plain", RoiConfig(sampling_ratio=0, aligned=False)),
    ],
    ids=[
        "gather",
        "gather-3",
        "gather-legacy",
        "atlas",
        "gather-adaptive",
        "gather-adaptive-legacy",
        "atlas-adaptive",
        "plain",
        "plain-adaptive-legacy",
    ],
)
def test_every_path_equals_torchvisions_kernel(path: RoiPath, config: RoiConfig) -> None:
    levels, boxes = make_levels(), make_boxes()
    ours = RoiAlign(config, STRIDES, path)(levels, boxes)
    theirs = reference(levels, boxes, config)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    wanted = torch.autograd.grad(theirs.square().sum(), levels)
    for given, expected in zip(
        torch.autograd.grad(ours.square().sum(), levels), wanted, strict=True
    ):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-3)


def test_torchvision_recipe_equals_its_multi_scale_pooler() -> None:
    levels, boxes = make_levels(), make_boxes()[:, 3:]
    pooler = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
    names = {str(number): level for number, level in enumerate(levels)}
    theirs = pooler(names, list(boxes), [(HEIGHT, WIDTH)] * 2)
    ours = RoiAlign(RoiConfig(aligned=False, level_rule="torchvision"), STRIDES, "gather")(
        levels, boxes
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_adaptive_windows_do_not_depend_on_how_many_are_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels, boxes = make_levels(), make_boxes()
    align = RoiAlign(RoiConfig(sampling_ratio=0), STRIDES, "gather")
    together = align(levels, boxes)
    monkeypatch.setattr(roi, "LARGEST_PART", 2000)
    torch.testing.assert_close(align(levels, boxes), together, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["detectron2", "torchvision"])
def test_level_by_hand(rule: Literal["detectron2", "torchvision"]) -> None:
    sides = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 448.0, 4000.0, 0.0])
    boxes = torch.stack((torch.zeros(8), torch.zeros(8), sides, sides), dim=1)
    assert assign_levels(boxes, 4, rule).tolist() == [0, 0, 1, 1, 2, 3, 3, 0]


def test_gather_without_gradients_stays_in_bf16() -> None:
    """No further from fp32 than a few roundings of bf16, and in bf16 throughout."""
    levels = [level.detach().bfloat16() for level in make_levels()]
    for config in (RoiConfig(), RoiConfig(sampling_ratio=0)):
        with torch.no_grad():
            pooled = RoiAlign(config, STRIDES, "gather")(levels, make_boxes())
        exact = RoiAlign(config, STRIDES, "plain")(
            [level.float() for level in levels], make_boxes()
        )
        assert pooled.dtype == torch.bfloat16
        torch.testing.assert_close(pooled.float(), exact, rtol=2e-2, atol=3e-2)


def test_gather_learns_in_bf16() -> None:
    levels = [level.detach().bfloat16().requires_grad_() for level in make_levels()]
    pooled = RoiAlign(RoiConfig(), STRIDES, "gather")(levels, make_boxes())
    assert pooled.dtype == torch.bfloat16
    exact = RoiAlign(RoiConfig(), STRIDES, "gather")(
        [level.detach().float() for level in levels], make_boxes()
    )
    torch.testing.assert_close(pooled.float(), exact, rtol=2e-2, atol=3e-2)
    pooled.float().square().sum().backward()
    assert all(level.grad is not None and level.grad.isfinite().all() for level in levels)
