"""The pyramid against torchvision's, and its contract."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.vision.fpn import FeaturePyramid

LEVELS = tuple(FeatureLevel(f"c{k}", 8 * k, 2**k) for k in range(2, 6))


def _features(sizes: dict[str, tuple[int, int]]) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {level.name: torch.randn(2, level.channels, *sizes[level.name]) for level in LEVELS}


@pytest.mark.parametrize(
    "sizes",
    [
        {"c2": (16, 24), "c3": (8, 12), "c4": (4, 6), "c5": (2, 3)},
        {"c2": (25, 17), "c3": (13, 9), "c4": (7, 5), "c5": (4, 3)},
        {"c2": (1, 9), "c3": (1, 5), "c4": (1, 3), "c5": (1, 2)},
    ],
    ids=["even", "odd", "one row"],
)
def test_equals_torchvisions_pyramid(sizes: dict[str, tuple[int, int]]) -> None:
    ours = FeaturePyramid(LEVELS, channels=16)
    theirs = FeaturePyramidNetwork([level.channels for level in LEVELS], 16, LastLevelMaxPool())
    for index, level in enumerate(LEVELS):
        theirs.inner_blocks[index][0].load_state_dict(ours.lateral[level.name].state_dict())
        theirs.layer_blocks[index][0].load_state_dict(ours.smooth[level.name].state_dict())
    features = _features(sizes)
    for context in (torch.enable_grad, torch.no_grad):  # two ways of upsampling
        with context():
            for mine, expected in zip(
                ours(features).values(), theirs(features).values(), strict=True
            ):
                torch.testing.assert_close(mine, expected, rtol=0, atol=1e-5)


def test_levels_describe_what_comes_out() -> None:
    pyramid = FeaturePyramid(LEVELS, channels=16)
    assert [(level.name, level.channels, level.stride) for level in pyramid.levels] == [
        ("p2", 16, 4), ("p3", 16, 8), ("p4", 16, 16), ("p5", 16, 32), ("p6", 16, 64)
    ]  # fmt: skip
    maps = pyramid(_features({"c2": (16, 16), "c3": (8, 8), "c4": (4, 4), "c5": (2, 2)}))
    assert [(name, tuple(value.shape)) for name, value in maps.items()] == [
        (level.name, (2, 16, 64 // level.stride, 64 // level.stride)) for level in pyramid.levels
    ]


def test_p6_is_every_second_cell_of_p5() -> None:
    maps = FeaturePyramid(LEVELS, channels=4)(
        _features({"c2": (40, 40), "c3": (20, 20), "c4": (10, 10), "c5": (5, 5)})
    )
    assert maps["p6"].equal(maps["p5"][:, :, ::2, ::2])


def test_without_an_extra_level_the_merged_maps_are_all() -> None:
    pyramid = FeaturePyramid(LEVELS, channels=4, extra="none")
    assert [level.name for level in pyramid.levels] == ["p2", "p3", "p4", "p5"]
    assert pyramid.merged_levels == pyramid.levels
    with_extra = FeaturePyramid(LEVELS, channels=4)
    assert with_extra.merged_levels == pyramid.levels
    with_extra.load_state_dict(pyramid.state_dict())
    features = _features({"c2": (16, 16), "c3": (8, 8), "c4": (4, 4), "c5": (2, 2)})
    maps = pyramid(features)
    assert list(maps) == ["p2", "p3", "p4", "p5"]
    assert all(torch.equal(maps[name], with_extra(features)[name]) for name in maps)


def test_levels_of_equal_stride_are_merged_cell_by_cell() -> None:
    levels = (FeatureLevel("c4", 2, 16), FeatureLevel("c5", 2, 16))
    pyramid = FeaturePyramid(levels, channels=2)
    assert [level.stride for level in pyramid.levels] == [16, 16, 32]
    maps = pyramid({"c4": torch.ones(1, 2, 3, 3), "c5": torch.ones(1, 2, 3, 3)})
    assert maps["p4"].shape == maps["p5"].shape == (1, 2, 3, 3)


def test_initialisation_is_kaiming_uniform_of_slope_one_with_zero_bias() -> None:
    torch.manual_seed(0)
    conv = FeaturePyramid((FeatureLevel("c5", 512, 32),), channels=256).lateral["c5"]
    bound = (3 / 512) ** 0.5  # He et al. 2015 with a = 1: sqrt(6 / ((1 + a²) · fan in))
    assert conv.bias.abs().max().item() == 0
    assert 0.999 * bound < conv.weight.abs().max().item() <= bound


def test_bf16_autocast_gives_bf16_maps() -> None:
    features = _features({"c2": (8, 8), "c3": (4, 4), "c4": (2, 2), "c5": (1, 1)})
    with torch.autocast("cpu", torch.bfloat16):
        maps = FeaturePyramid(LEVELS, channels=4)(features)
    assert {value.dtype for value in maps.values()} == {torch.bfloat16}


def test_no_levels_are_refused() -> None:
    with pytest.raises(UserError, match="at least one level"):
        FeaturePyramid(())
