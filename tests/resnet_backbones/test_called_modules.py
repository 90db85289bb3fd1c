"""Every module of a backbone is called, and what replaces or watches one takes effect.

Other people's tools hang on that: pruning, LoRA, quantisation, Grad-CAM, counters of FLOPs.
"""

import copy
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.ao.quantization import get_default_qconfig, prepare
from torch.ao.quantization.observer import ObserverBase
from torch.nn.utils import parametrize
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.feature_extraction import create_feature_extractor

from resnet_backbones.classifier import Classifier
from resnet_backbones.features import Backbone
from resnet_backbones.layers import merges
from resnet_backbones.registry import build
from resnet_backbones.resnet_identity import IdentityOptions
from resnet_backbones.spec import BackboneSpec

FAMILIES = (
    "resnet18",
    "resnet50d",
    "resnet20",
    "resnetv2_18",
    "resnetv2_20",
    "vgg11_bn",
    "googlenet",
)
STATES = [("batch", True), ("batch", False), ("frozen", True), ("frozen", False)]
"""Norm, and whether in training mode."""
STAGES = {
    "resnet18": "layer4",
    "resnet20": "layer3",
    "resnetv2_18": "stages",
    "resnetv2_20": "layer3",
    "vgg11_bn": "features",
    "googlenet": "inception5b",
}


def made(
    name: str, norm: str = "batch", *, training: bool = False, options: Any = None
) -> Backbone:
    """A backbone whose statistics are of some images, so that its norms do something."""
    return copy.deepcopy(built(name, norm, options)).train(training)


@cache
def built(name: str, norm: str, options: Any) -> Backbone:
    torch.manual_seed(0)
    source = build(BackboneSpec(name, options=options)).train()
    source(images())
    spec = BackboneSpec(name, pretrained=norm == "frozen", freeze_through=None, options=options)
    backbone = build(spec)
    backbone.load_state_dict(source.state_dict(), strict=False)
    return backbone


def watched_paths(root: nn.Module) -> set[str]:
    """Gets the paths of the modules that are called from now on."""
    fired: set[str] = set()

    def remember(path: str, *_: Any) -> None:
        fired.add(path)

    for path, module in root.named_modules():
        module.register_forward_hook(partial(remember, path))
    return fired


def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def first_inner_conv(backbone: nn.Module) -> tuple[nn.Module, str, nn.Conv2d]:
    """The second 3x3 convolution of the network: its parent, its name there and itself."""
    found = [
        (parent, name, module)
        for parent in backbone.modules()
        for name, module in parent.named_children()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    return found[1]


@pytest.mark.parametrize(("norm", "training"), STATES)
@pytest.mark.parametrize("name", FAMILIES)
def test_hooks_fire_at_every_level(name: str, norm: str, training: bool) -> None:
    backbone = made(name, norm, training=training)
    fired = watched_paths(backbone)
    backbone(images())
    assert [path for path, _ in backbone.named_modules() if path not in fired] == []


@pytest.mark.parametrize("options", [
    IdentityOptions(order="original"), IdentityOptions(order="norm_after"),
    IdentityOptions(order="relu_before"), IdentityOptions(order="relu_only"),
    IdentityOptions(gate="exclusive"), IdentityOptions(shortcut="C"),
])  # fmt: skip
def test_hooks_fire_in_the_units_of_identity_mappings(options: IdentityOptions) -> None:
    backbone = made("resnetv2_20", "frozen", options=options)
    fired = watched_paths(backbone)
    backbone(images())
    assert {path for path, _ in backbone.named_modules()} == fired


def test_hooks_fire_in_a_classifier() -> None:
    for name in ("resnet18", "resnetv2_18", "vgg11_bn", "googlenet"):
        classifier = Classifier(made(name), 3).train()
        fired = watched_paths(classifier)
        classifier(images())
        assert {path for path, _ in classifier.named_modules()} == fired, name


def test_hooks_for_all_modules_fire() -> None:
    backbone = made("resnet18")
    seen: list[nn.Module] = []
    with nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(module)):
        backbone(images())
    assert {id(module) for module in seen} == {id(module) for module in backbone.modules()}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_watches_changes_nothing(name: str) -> None:
    backbone = made(name)
    expected = backbone(images())
    for module in backbone.modules():
        module.register_forward_hook(lambda *_: None)
    for level, found in backbone(images()).items():
        torch.testing.assert_close(found, expected[level], rtol=1e-4, atol=1e-4)


class Halved(nn.Conv2d):
    """A convolution that does more than convolve."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 0.5


class Doubled(nn.Module):
    """Of a weight."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight * 2


class Wrapper(nn.Module):
    """Around a module, as LoRA has it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.base = module

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) * 0.5


def subclass(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    conv.__class__ = Halved


def circular(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    conv.padding_mode = "circular"
    conv._reversed_padding_repeated_twice = [1, 1, 1, 1]


def parametrized(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    parametrize.register_parametrization(conv, "weight", Doubled())


def wrapped(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    setattr(parent, name, Wrapper(conv))


def hooked(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    conv.register_forward_hook(lambda module, inputs, output: output * 0.5)


def pre_hooked(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    conv.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 0.5,))


def replaced_forward(parent: nn.Module, name: str, conv: nn.Conv2d) -> None:
    plain = conv.forward
    conv.forward = lambda x: plain(x) * 0.5  # as accelerate does


def by_hand(change: Callable[..., None], conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What the changed convolution must give."""
    if change is circular:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="circular")
        return nn.functional.conv2d(padded, conv.weight, conv.bias, conv.stride)
    plain = nn.functional.conv2d(x, conv.weight, None, conv.stride, conv.padding)
    bias = 0 if conv.bias is None else conv.bias.reshape(1, -1, 1, 1)
    if change is parametrized:
        return plain * 2 + bias
    return plain * 0.5 + bias * (1 if change is pre_hooked else 0.5)


CHANGES = [subclass, circular, parametrized, wrapped, hooked, pre_hooked, replaced_forward]


@pytest.mark.parametrize(("norm", "training"), STATES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_changed_convolution_takes_effect(
    name: str, change: Callable[..., None], norm: str, training: bool
) -> None:
    """As where every module is watched, which cannot be merged with another."""
    backbone = made(name, norm, training=training)
    parent, place, conv = first_inner_conv(backbone)
    original = copy.deepcopy(conv)
    x: list[Tensor] = []
    y: list[Tensor] = []
    change(parent, place, conv)
    changed = parent.get_submodule(place)
    changed.register_forward_hook(lambda module, inputs, output: y.append(output.clone()))
    changed.register_forward_pre_hook(lambda module, inputs: x.append(inputs[0].clone()))
    watched = backbone(images())
    assert len(y) == 1
    seen = x[0] / 0.5 if change is pre_hooked else x[0]  # the other hook had halved it
    torch.testing.assert_close(y[0], by_hand(change, original, seen), rtol=1e-4, atol=1e-5)

    again = made(name, norm, training=training)
    parent, place, conv = first_inner_conv(again)
    change(parent, place, conv)
    for level, found in again(images()).items():
        torch.testing.assert_close(found, watched[level], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_module_in_the_place_of_every_norm_is_called(name: str) -> None:
    backbone = made(name)
    kinds = (nn.BatchNorm2d,)
    count = sum(isinstance(module, kinds) for module in backbone.modules())
    calls: list[int] = []

    class Counted(nn.Identity):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            return x

    before = images()
    for parent in list(backbone.modules()):
        for place, module in list(parent.named_children()):
            if isinstance(module, kinds):
                setattr(parent, place, Counted())
    backbone(before)
    assert len(calls) == count
    torch.testing.assert_close(before, images(), rtol=0, atol=0)


def test_merging_needs_a_plain_convolution_and_a_constant_norm() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1)
    norm = nn.BatchNorm2d(4).eval()
    x = torch.zeros(1, 3, 5, 5)
    assert merges(conv, norm, x)
    assert not merges(conv, copy.deepcopy(norm).train(), x)
    assert not merges(conv, nn.BatchNorm2d(4, affine=False).eval(), x)
    assert not merges(conv, nn.GroupNorm(2, 4), x)
    assert not merges(nn.Conv2d(3, 4, 3, padding="same"), norm, x)
    assert not merges(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), norm, x)
    handle = norm.register_full_backward_hook(lambda *_: None)
    assert not merges(conv, norm, x)
    handle.remove()
    assert merges(conv, norm, x)


@pytest.mark.parametrize("name", [*STAGES, "resnet50c"])
def test_children_in_a_row_give_the_coarsest_level(name: str) -> None:
    backbone = made(name)
    row = nn.Sequential(*backbone.children())
    expected = backbone(images())[backbone.levels[-1].name]
    torch.testing.assert_close(row(images()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "resnet50d"])
def test_torchvisions_getter_and_fpn_give_the_levels(name: str) -> None:
    backbone = made(name)
    expected = backbone(images())
    layers = {f"layer{index}": f"c{index + 1}" for index in range(1, 5)}
    found = IntermediateLayerGetter(backbone, layers)(images())
    assert list(found) == list(expected)
    for level, x in found.items():
        torch.testing.assert_close(x, expected[level], rtol=1e-4, atol=1e-4)
    channels = [level.channels for level in backbone.levels]
    pyramid = BackboneWithFPN(backbone, {path: path for path in layers}, channels, 16)
    assert [x.shape[-1] for x in pyramid(images()).values()] == [16, 8, 4, 2, 1]


@pytest.mark.parametrize("norm", ["batch", "frozen"])
@pytest.mark.parametrize("name", STAGES)
def test_feature_extractors_give_what_they_name(name: str, norm: str) -> None:
    backbone = made(name, norm)
    stage = STAGES[name]
    maps: list[Tensor] = []
    handle = backbone.get_submodule(stage).register_forward_hook(
        lambda module, inputs, output: maps.append(output)
    )
    backbone(images())
    handle.remove()
    found = create_feature_extractor(backbone, {stage: "out"})(images())["out"]
    torch.testing.assert_close(found, maps[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_traced_in_evaluation_mode_trains(name: str) -> None:
    """Its norms are in the graph, so that their statistics go on."""
    backbone = made(name)
    graph = torch.fx.symbolic_trace(backbone)
    expected = backbone(images())
    for level, found in graph(images()).items():
        torch.testing.assert_close(found, expected[level], rtol=1e-4, atol=1e-4)
    graph.train()
    before = {key: value.clone() for key, value in graph.state_dict().items() if "running" in key}
    graph(images())
    after = graph.state_dict()
    assert all(not torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "resnetv2_18"])
def test_every_observer_of_eager_quantisation_sees_data(name: str) -> None:
    backbone = made(name)
    backbone.qconfig = get_default_qconfig("x86")  # type: ignore[assignment]
    prepared = prepare(backbone)
    prepared(images())
    observers = [module for module in prepared.modules() if isinstance(module, ObserverBase)]
    assert len(observers) > 10
    unseen = [observer for observer in observers if observer.calculate_qparams()[0].item() == 1.0]
    assert unseen == []


@pytest.mark.parametrize("name", STAGES)
def test_gradients_of_a_stage_are_there_for_grad_cam(name: str) -> None:
    classifier = Classifier(made(name), 3).eval()
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        maps.append(output)

    classifier.backbone.get_submodule(STAGES[name]).register_forward_hook(keep)
    classifier(images())[:, 1].sum().backward()
    assert maps[0].grad is not None
    assert maps[0].grad.abs().sum() > 0


def test_a_swapped_activation_is_used() -> None:
    backbone = made("resnet18")
    network = torchvision.models.resnet18().eval()
    network.load_state_dict(backbone.state_dict(), strict=False)
    for root in (backbone, network):
        for parent in list(root.modules()):
            for place, module in list(parent.named_children()):
                if isinstance(module, nn.ReLU):
                    setattr(parent, place, nn.SiLU())
    expected = IntermediateLayerGetter(network, {"layer4": "c5"})(images())["c5"]
    torch.testing.assert_close(backbone(images())["c5"], expected, rtol=1e-4, atol=1e-4)
