"""What every registered backbone must do: declared levels, gradients, state dicts, layouts, bf16,
export, compilation.

Nets too large for memory or time run on the meta device, where shapes are real and numbers are not.
"""

import copy
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.fold import fold_norms
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.registry import build, create_backbone, list_backbones
from resnet_backbones.spec import BackboneSpec

SIZE = 64
LARGEST = 15_000_000
"""Parameters of the nets that run with numbers in the quick tests."""
MOST_LAYERS = 60
"""Convolutions of the nets that run in all quick tests; five times as many make a giant."""


@cache
def on_meta(name: str) -> Backbone:
    """A backbone without memory."""
    with torch.device("meta"):
        return create_backbone(name)


def _layers(name: str) -> int:
    return sum(isinstance(module, torch.nn.Conv2d) for module in on_meta(name).modules())


def _is_giant(name: str) -> bool:
    return _layers(name) > 5 * MOST_LAYERS


def _is_slow(name: str) -> bool:
    parameters = sum(parameter.numel() for parameter in on_meta(name).parameters())
    return parameters > LARGEST or _layers(name) > MOST_LAYERS


def slow(name: str) -> object:
    """A name whose test runs in `make test-all` only."""
    return pytest.param(name, marks=pytest.mark.slow)


RUN = [slow(name) if _is_slow(name) else name for name in list_backbones() if not _is_giant(name)]
"""Every name but the giants', those of slow nets marked."""
SHAPED = [slow(name) if _layers(name) > MOST_LAYERS else name for name in list_backbones()]
"""Every name, those of deep nets marked."""


TRACED = [name for name in list_backbones() if not _is_giant(name)]

ONE_OF_EACH = (
    "resnet18",
    "resnet20",
    "resnet18_cifar",
    "plain20",
    "resnetv2_20",
    "resnetv2_18",
    "vgg11_bn",
    "googlenet",
)
"""A small net of each family."""


def _images(height: int = SIZE, width: int = SIZE, device: str = "cpu") -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 3, height, width, device=device)


def _built_or_refused(name: str, **arguments: object) -> Backbone | None:
    """The backbone, or None where a UserError that names it says that it cannot be had."""
    try:
        with torch.device("meta"):
            return build(BackboneSpec(name, pretrained=True, **arguments))
    except UserError as error:
        if name not in str(error):
            raise
    return None


@pytest.mark.parametrize("name", list_backbones())
def test_declared_levels_are_the_real_ones(name: str) -> None:
    backbone = on_meta(name)
    features = backbone(_images(device="meta"))
    assert list(features) == [level.name for level in backbone.levels]
    for level in backbone.levels:
        side = SIZE // level.stride
        assert features[level.name].shape == (2, level.channels, side, side)


@pytest.mark.parametrize("name", SHAPED)
def test_odd_sizes_give_maps_of_about_the_size_over_the_stride(name: str) -> None:
    backbone = on_meta(name)
    features = backbone(_images(65, 99, device="meta"))
    for level in backbone.levels:
        for side, whole in zip(features[level.name].shape[-2:], (65, 99), strict=True):
            assert abs(side - whole / level.stride) <= 1


@pytest.mark.parametrize("name", SHAPED)
def test_levels_can_be_asked_one_at_a_time(name: str) -> None:
    for level in on_meta(name).levels:
        with torch.device("meta"):
            backbone = create_backbone(name, levels=[level.name])
        assert backbone.levels == (level,)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_levels_can_be_asked_in_pairs(name: str) -> None:
    stem = [] if on_meta(name).levels[0].name == "c1" else ["c1"]
    names = [*stem, *(level.name for level in on_meta(name).levels)]
    with torch.device("meta"):
        every = create_backbone(name, levels=names)
    channels = {level.name: level.channels for level in every.levels}
    for subset in combinations(names, 2):
        with torch.device("meta"):
            backbone = create_backbone(
                name, levels=subset[::-1]
            )  # any order is taken, and fine to coarse given
        features = backbone(_images(device="meta"))
        assert [(key, x.shape[1]) for key, x in features.items()] == [
            (key, channels[key]) for key in subset
        ]
        assert set(backbone.state_dict()) <= set(every.state_dict())


@pytest.mark.parametrize("name", SHAPED)
def test_backward_reaches_every_parameter(name: str) -> None:
    backbone = on_meta(name).train()
    torch.stack(
        [feature.square().mean() for feature in backbone(_images(device="meta")).values()]
    ).sum().backward()
    unreached = [key for key, parameter in backbone.named_parameters() if parameter.grad is None]
    backbone.zero_grad()
    assert unreached == []


@pytest.mark.parametrize("name", RUN)
def test_gradients_are_finite(name: str) -> None:
    backbone = create_backbone(name).train()
    torch.stack(
        [feature.square().mean() for feature in backbone(_images()).values()]
    ).sum().backward()
    assert [key for key, x in backbone.named_parameters() if not x.grad.isfinite().all()] == []


@pytest.mark.parametrize("name", RUN)
def test_state_dicts_survive_a_safetensors_file(name: str, tmp_path: Path) -> None:
    backbone, other = create_backbone(name), create_backbone(name)
    state = {key: x.contiguous() for key, x in backbone.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "file.safetensors")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "file.safetensors"), strict=True)
    with torch.no_grad():
        expected, features = backbone.eval()(_images()), other.eval()(_images())
    assert all(features[level].equal(x) for level, x in expected.items())


@pytest.mark.parametrize("name", RUN)
def test_channels_last_images_give_the_same_maps_in_channels_last(name: str) -> None:
    backbone = create_backbone(name).eval()
    with torch.no_grad():
        expected = backbone(_images())
        features = backbone(_images().contiguous(memory_format=torch.channels_last))
    for level, x in expected.items():
        assert features[level].is_contiguous(memory_format=torch.channels_last)
        assert (features[level] - x).abs().max() <= 1e-4 * x.abs().max()


@pytest.mark.parametrize("name", RUN)
def test_bf16_autocast_gives_finite_maps_in_bf16(name: str) -> None:
    backbone = create_backbone(name).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = backbone(_images())
    assert all(x.isfinite().all() and x.dtype == torch.bfloat16 for x in features.values())


@pytest.mark.parametrize("name", SHAPED)
def test_other_numbers_of_channels_are_taken(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name, in_channels=4, levels=[on_meta(name).levels[0].name])
    assert len(backbone.passport.mean) == 4
    assert list(backbone(torch.empty(2, 4, SIZE, SIZE, device="meta"))) == [backbone.levels[0].name]


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", SHAPED)
def test_an_output_stride_holds_or_is_refused_by_name(name: str, output_stride: int) -> None:
    backbone = _built_or_refused(name, output_stride=output_stride)
    if backbone is None:
        return
    features = backbone(_images(device="meta"))
    assert features[backbone.levels[-1].name].shape[-1] == SIZE // output_stride
    assert backbone.levels[-1].stride == output_stride


@pytest.mark.parametrize("norm", ["frozen", "sync", "group"])
@pytest.mark.parametrize("name", SHAPED)
def test_a_norm_is_built_or_refused_by_name(name: str, norm: str) -> None:
    kinds = {
        "frozen": FrozenBatchNorm2d,
        "sync": torch.nn.SyncBatchNorm,
        "group": torch.nn.GroupNorm,
    }
    backbone = _built_or_refused(name, norm=norm)
    built = {type(module) for module in (backbone.modules() if backbone else [])} & {
        *kinds.values(),
        torch.nn.BatchNorm2d,
    }
    assert built <= {kinds[norm]}  # nets without norms have none


@pytest.mark.parametrize("name", SHAPED)
def test_frozen_stages_stay_in_evaluation_and_the_rest_trains(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name, freeze_through="c2").train()
    frozen = set(backbone.frozen_names())
    assert frozen
    assert len(frozen) < len(list(backbone.parameters()))
    for path, module in backbone.named_modules():
        own = {f"{path}.{key}" for key, _ in module.named_parameters(recurse=False)}
        assert not own or (own <= frozen) != module.training


@pytest.mark.parametrize(
    "name", [name if name in ONE_OF_EACH else slow(name) for name in list_backbones()]
)
def test_freezing_through_any_stage_grows_with_it_or_is_refused_by_name(name: str) -> None:
    frozen: set[str] = set()
    for stage in ("none", "stem", "c1", "c2", "c3", "c4", "c5"):
        backbone = _built_or_refused(name, freeze_through=stage)
        if backbone is not None:
            assert frozen <= set(backbone.frozen_names())
            assert bool(backbone.frozen_names()) == (stage != "none")
            frozen = set(backbone.frozen_names())
    assert frozen == {
        key for key, _ in _built_or_refused(name).named_parameters()
    }  # the last stage is everything


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_recomputed_activations_give_the_same_gradients(name: str) -> None:
    plain, saving = create_backbone(name), create_backbone(name, checkpoint_activations=True)
    saving.load_state_dict(plain.state_dict())
    for backbone in (plain, saving):
        torch.stack(
            [x.square().mean() for x in backbone.train()(_images()).values()]
        ).sum().backward()
    for (key, mine), expected in zip(saving.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, msg=key)
    for (key, mine), expected in zip(saving.named_buffers(), plain.buffers(), strict=True):
        assert mine.equal(expected), key


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACED)
def test_exports(name: str) -> None:
    backbone = create_backbone(name).eval()
    exported = torch.export.export(backbone, (_images(),)).module()
    with torch.no_grad():
        for level, x in backbone(_images()).items():
            torch.testing.assert_close(exported(_images())[level], x)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACED)
def test_compiles_without_graph_breaks(name: str) -> None:
    backbone = create_backbone(name).eval()
    torch.compiler.reset()
    with torch.no_grad():
        compiled = torch.compile(backbone, backend="eager", fullgraph=True)(_images())
        for level, x in backbone(_images()).items():
            torch.testing.assert_close(compiled[level], x)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_inductor_gives_the_same_maps_and_gradients(name: str) -> None:
    images = _images().double()  # random nets amplify the rounding of fp32
    backbone = create_backbone(name).double().train()
    twin = copy.deepcopy(backbone)
    torch.compiler.reset()
    compiled = torch.compile(twin, fullgraph=True)
    expected, features = backbone(images), compiled(images)
    for maps in (expected, features):
        torch.stack([x.square().mean() for x in maps.values()]).sum().backward()
    gradients = {key: x.grad for key, x in twin.named_parameters()}
    for key, x in [*expected.items(), *((key, x.grad) for key, x in backbone.named_parameters())]:
        mine = features[key] if key in features else gradients[key]
        assert (mine - x).norm() <= 1e-6 * x.norm() + 1e-9, key


@pytest.mark.parametrize("name", RUN)
def test_folded_norms_change_nothing(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name).double().train()
    with torch.no_grad():
        backbone(_images().double())  # statistics of some images
        expected = backbone.eval()(_images().double())
        found = fold_norms(backbone)(_images().double())
    for level, x in found.items():
        torch.testing.assert_close(x, expected[level], rtol=1e-5, atol=1e-5)
