"""VGG against torchvision's from the same random state dict, and its levels, counts and
refusals.
"""

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.vgg import VARIANTS, VGG, VGGOptions, fc6_fc7

PARAMETERS = {  # with fc6, fc7 and 1000 classes: Simonyan and Zisserman 2015, table 2, to the unit
    "vgg11": 132_863_336, "vgg11_bn": 132_868_840, "vgg11_lrn": 132_863_336, "vgg11_lrn_bn": 132_868_840,
    "vgg13": 133_047_848, "vgg13_bn": 133_053_736, "vgg16_c": 133_638_952, "vgg16_c_bn": 133_647_400,
    "vgg16": 138_357_544, "vgg16_bn": 138_365_992, "vgg19": 143_667_240, "vgg19_bn": 143_678_248,
}  # fmt: skip
ALL = ("c1", "c2", "c3", "c4", "conv5_3", "c5")


def vgg(name: str = "vgg16", **changes: Any) -> VGG:
    backbone = build(BackboneSpec(name, **changes))
    assert isinstance(backbone, VGG)
    return backbone


def torchvisions(name: str) -> nn.Module:
    """torchvision's net without its fully connected layers, its norms having random values."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, init_weights=False).features
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    return bool(
        (ours - theirs).abs().max() <= tolerance * theirs.abs().max() + 1e-9
    )  # biases before norms have none


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn", "vgg19"])
def test_features_equal_torchvisions_in_eval_mode(name: str) -> None:
    network, images = torchvisions(name).eval(), torch.randn(2, 3, 64, 49)
    backbone = vgg(name, levels=["c5"]).eval()
    backbone.load_state_dict(
        {f"features.{key}": value for key, value in network.state_dict().items()}
    )
    with torch.no_grad():
        assert close(backbone(images)["c5"], network(images), 1e-5)


@pytest.mark.parametrize("name", ["vgg13", "vgg11_bn"])
def test_a_training_step_equals_torchvisions(name: str) -> None:
    network, images = torchvisions(name).double(), torch.randn(2, 3, 64, 64).double()
    backbone = vgg(name, levels=["c5"]).double()
    backbone.load_state_dict(
        {f"features.{key}": value for key, value in network.state_dict().items()}
    )
    for output in (network(images), backbone(images)["c5"]):
        output.square().sum().backward()
    mine = dict(backbone.features.named_parameters())
    assert all(close(mine[key].grad, value.grad, 1e-4) for key, value in network.named_parameters())
    buffers = dict(backbone.features.named_buffers())
    assert all(torch.allclose(buffers[key], value) for key, value in network.named_buffers())


@pytest.mark.slow  # 120 million weights in the fully connected layers
def test_logits_equal_torchvisions() -> None:
    network, backbone = torchvision.models.VGG(torchvisions("vgg11"), num_classes=5), vgg("vgg11")
    backbone.features.load_state_dict(network.features.state_dict())
    head = backbone.classifier_head(5)
    head["classifier"].load_state_dict(network.classifier.state_dict())
    head["classifier"].eval()
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert close(head(backbone.eval()(images))["main"], network.eval()(images), 1e-5)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_are_the_papers(name: str) -> None:
    with torch.device("meta"):
        backbone = vgg(name)
        parts = nn.ModuleList([backbone, *backbone.classifier_head(1000).values()])
    assert sum(parameter.numel() for parameter in parts.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_levels_have_the_declared_shapes(output_stride: int) -> None:
    backbone = vgg(levels=ALL, output_stride=output_stride, norm="batch")
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 64, 96))
    assert list(features) == list(ALL)
    for level in backbone.levels:
        assert features[level.name].shape == (
            1,
            level.channels,
            64 // level.stride,
            96 // level.stride,
        )


def test_a_dilated_net_computes_every_cell_of_the_strided_one() -> None:
    strided, images = vgg("vgg16_bn", levels=["c4", "c5"]).eval(), torch.randn(1, 3, 64, 96)
    dilated = vgg("vgg16_bn", levels=["c4", "c5"], output_stride=8).eval()
    dilated.load_state_dict(strided.state_dict())
    with torch.no_grad():
        fine, coarse = dilated(images), strided(images)
    torch.testing.assert_close(fine["c4"][:, :, ::2, ::2], coarse["c4"])
    torch.testing.assert_close(fine["c5"][:, :, ::4, ::4], coarse["c5"])


@pytest.mark.parametrize(
    ("name", "level"), [("vgg13", "conv5_2"), ("vgg16", "conv5_3"), ("vgg19", "conv5_4")]
)
def test_the_last_convolution_is_a_level_of_its_own_and_needs_no_pooling(
    name: str, level: str
) -> None:
    with torch.device("meta"):
        backbone = vgg(name, levels=[level])
        assert backbone(torch.empty(1, 3, 64, 64))[level].shape == (1, 512, 4, 4)
    assert isinstance(backbone.features[-1], nn.ReLU)


def test_response_normalisation_follows_krizhevsky() -> None:
    x = torch.rand(1, 7, 1, 1) * 50
    layer = next(
        m for m in vgg("vgg11_lrn", levels=["c1"]).features if isinstance(m, nn.LocalResponseNorm)
    )
    squares = sum(x[0, j, 0, 0] ** 2 for j in range(1, 6))  # the channels within two of channel 3
    assert layer(x)[0, 3, 0, 0].item() == pytest.approx(
        (x[0, 3, 0, 0] / (2 + 1e-4 * squares) ** 0.75).item(), rel=1e-5
    )


@pytest.mark.parametrize(("through", "frozen"), [("stem", 1), ("c2", 2), ("c5", 3)])
def test_freezing_goes_through_a_stage(through: str, frozen: int) -> None:
    backbone = vgg("vgg11_bn", levels=["c1", "c3"], freeze_through=through).train()
    convolutions = [
        i for i, module in enumerate(backbone.features) if isinstance(module, nn.Conv2d)
    ]
    last = [*convolutions, 99][{1: 1, 2: 2, 3: 4}[frozen]]
    assert {int(name.split(".")[1]) < last for name in backbone.frozen_names()} == {True}
    assert all(module.training != (i < last) for i, module in enumerate(backbone.features))


def test_recomputing_gives_equal_gradients_and_statistics() -> None:
    plain = vgg("vgg11_bn", levels=["c2", "c3"])
    saving = vgg("vgg11_bn", levels=["c2", "c3"], checkpoint_activations=True)
    saving.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 32, 32)
    for backbone in (plain, saving):
        sum(feature.sum() for feature in backbone(images).values()).backward()
    assert all(
        a.grad.equal(b.grad) for a, b in zip(plain.parameters(), saving.parameters(), strict=True)
    )
    assert all(a.equal(b) for a, b in zip(plain.buffers(), saving.buffers(), strict=True))


def test_frozen_norms_equal_batch_norms_in_eval_mode() -> None:
    network, images = torchvisions("vgg11_bn").eval(), torch.randn(1, 3, 32, 32)
    frozen = vgg("vgg11_bn", levels=["c5"], norm="frozen")
    frozen.features.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert close(frozen(images)["c5"], network(images), 1e-5)


@pytest.mark.parametrize("name", ["vgg11_lrn", "vgg16_c_bn"])
def test_compiles_exports_and_copies(name: str) -> None:
    backbone, images = vgg(name, levels=["c2", "c3"]).eval(), torch.randn(1, 3, 32, 32)
    expected = backbone(images)["c3"]
    torch._dynamo.reset()
    torch.testing.assert_close(
        torch.compile(backbone, backend="eager", fullgraph=True)(images)["c3"], expected
    )
    torch.testing.assert_close(
        torch.export.export(backbone, (images,)).module()(images)["c3"], expected
    )
    torch.testing.assert_close(copy.deepcopy(backbone)(images)["c3"], expected)


def test_the_hidden_layers_are_parts_for_detectors() -> None:
    assert fc6_fc7(8, 2)(torch.zeros(3, 32)).shape == (3, 4096)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("vgg16", {"norm": "group"}, "use vgg16_bn"),
        ("vgg16", {"stride_in": "1x1"}, "stride_in must be 3x3 for vgg16"),
        ("vgg16", {"options": object()}, "options of vgg16 must be VGGOptions, got object"),
        (
            "vgg11",
            {"levels": ["conv5_3"]},
            "levels must be different names out of c1, c2, c3, c4, conv5_2, c5",
        ),
        ("vgg16", {"output_stride": 4}, "output_stride must be 8, 16 or 32"),
    ],
)
def test_what_the_family_has_not_is_refused_by_name(
    name: str, change: dict[str, Any], rule: str
) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=rule):
        vgg(name, **change)


def test_every_variant_is_built_under_its_name() -> None:
    with torch.device("meta"):
        assert {vgg(name).passport.architecture for name in VARIANTS} == set(VARIANTS)


def test_a_narrow_net_has_its_share_of_channels() -> None:
    backbone = vgg("vgg11", options=VGGOptions(width=4))
    convs = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [4, 8, 16, 16, 32, 32, 32, 32]
    assert [level.channels for level in backbone.levels] == [8, 16, 32, 32]


def test_one_layer_on_the_mean_of_the_cells_may_be_the_head() -> None:
    backbone = vgg("vgg11", options=VGGOptions(width=4, head="mean")).eval()
    head = backbone.classifier_head(3)
    images = torch.randn(2, 3, 64, 64)
    expected = head["fc"](backbone(images)["c5"].mean((2, 3)))
    assert torch.equal(backbone.logits(images, head)["main"], expected)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (VGGOptions(), {}),
        (VGGOptions(width=16, head="mean"), {"width": 16, "head": "mean"}),
    ],
)
def test_the_passport_tells_what_is_not_the_papers(
    options: VGGOptions, told: dict[str, Any]
) -> None:
    assert vgg("vgg11", levels=["c2"], options=options).passport.options == told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "options.width must be >= 1, got 0"),
        ({"head": "linear"}, "options.head must be paper or mean, got 'linear'"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        VGGOptions(**options)
