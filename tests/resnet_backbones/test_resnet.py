"""ResNet features against torchvision's and timm's from the same state dict, and the architecture's
options.
"""

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.resnet_blocks import DropPath, ZeroPad
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.spec import BackboneSpec

ALL = ("c1", "c2", "c3", "c4", "c5")
PARAMETERS = {  # He et al. 2016, counted by hand with the classifier's 1000 x channels + 1000 taken off
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
}

QUICK = ("resnet18", "resnet50")


def _torchvision(name: str, **options: object) -> nn.Module:
    """A torchvision network with random weights, statistics that fit them, and damped residual
    branches.

    Undamped, a random ResNet-152 blows rounding errors up to 1e-3: torchvision in fp32 differs that
    much from itself in fp64. Trained networks do not.
    """
    torch.manual_seed(3)
    network = torchvision.models.get_model(name, **options)
    last = "bn2" if name in ("resnet18", "resnet34") else "bn3"
    for path, norm in network.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # running statistics are those of the one pass below
            largest = 0.1 if path.endswith(last) else 1.0
            nn.init.uniform_(norm.weight, largest / 2, largest)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    with torch.no_grad():
        network(torch.randn(2, 3, 96, 96))
    return network.eval()


def _torchvision_features(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    features = {"c1": network.relu(network.bn1(network.conv1(images)))}
    x = network.maxpool(features["c1"])
    for level, stage in zip(
        ALL[1:], (network.layer1, network.layer2, network.layer3, network.layer4), strict=True
    ):
        features[level] = x = stage(x)
    return features


def _assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Equal to 1e-5 of the map's largest value, at every level."""
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        assert ours[name].shape == expected.shape
        assert (ours[name] - expected).abs().max() <= 1e-5 * expected.abs().max(), name


def _load(backbone: Backbone, network: nn.Module) -> None:
    state = network.state_dict()
    backbone.load_state_dict(
        {name: state[name] for name in state if not name.startswith("fc.")}, strict=True
    )


@pytest.mark.parametrize(
    "name",
    [
        *QUICK,
        *(pytest.param(name, marks=pytest.mark.slow) for name in PARAMETERS if name not in QUICK),
    ],
)
def test_features_equal_torchvisions_with_frozen_norms_and_with_batch_norm_in_both_modes(
    name: str,
) -> None:
    network = _torchvision(name)
    images = torch.randn(2, 3, 64, 64)
    frozen = build(BackboneSpec(name, pretrained=True, levels=ALL))
    batch = build(BackboneSpec(name, levels=ALL))
    _load(frozen, network)
    _load(batch, network)
    with torch.no_grad():
        expected = _torchvision_features(network, images)
        _assert_equal(frozen.train()(images), expected)
        _assert_equal(batch.eval()(images), expected)
        network, batch, images = network.double().train(), batch.double().train(), images.double()
        _assert_equal(
            batch(images), _torchvision_features(network, images)
        )  # fp64: 8 samples a channel amplify rounding


@pytest.mark.parametrize("size", [(65, 97), (33, 31), (32, 1), (1, 1)])
def test_odd_sizes_round_up_as_torchvisions(size: tuple[int, int]) -> None:
    network = _torchvision("resnet18")
    backbone = build(BackboneSpec("resnet18", pretrained=True, levels=ALL))
    _load(backbone, network)
    images = torch.randn(1, 3, *size)
    features = backbone(images)
    _assert_equal(features, _torchvision_features(network, images))
    for level in backbone.levels:
        assert features[level.name].shape[-2:] == tuple(-(-side // level.stride) for side in size)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_bottlenecks_equal_torchvisions(output_stride: int) -> None:
    network = _torchvision(
        "resnet50", replace_stride_with_dilation=[False, output_stride == 8, True]
    )
    backbone = build(
        BackboneSpec("resnet50", pretrained=True, levels=ALL, output_stride=output_stride)
    )
    _load(backbone, network)
    images = torch.randn(1, 3, 96, 64)
    _assert_equal(backbone(images), _torchvision_features(network, images))
    assert backbone.levels[-1].stride == output_stride


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_dilated_basic_blocks_equal_timms(output_stride: int) -> None:
    reference = _torchvision("resnet18").state_dict()
    network = timm.create_model("resnet18", features_only=True, output_stride=output_stride).eval()
    network.load_state_dict({name: reference[name] for name in network.state_dict()})
    backbone = build(
        BackboneSpec("resnet18", pretrained=True, levels=ALL, output_stride=output_stride)
    )
    backbone.load_state_dict({name: reference[name] for name in backbone.state_dict()})
    images = torch.randn(1, 3, 64, 96)
    _assert_equal(backbone(images), dict(zip(ALL, network(images), strict=True)))


def test_detectron2s_dilation_begins_in_the_first_block() -> None:
    with torch.device("meta"):
        backbone = create_backbone(
            "resnet50", output_stride=16, options=ResNetOptions(dilation="detectron2")
        )
    dilations = [block.conv2.dilation for block in backbone.get_submodule("layer4")]
    assert dilations == [(2, 2)] * 3  # torchvision's first block has (1, 1)


def test_caffes_pool_has_no_padding_and_rounds_up() -> None:
    backbone = create_backbone(
        "resnet18", levels=["c1", "c2"], options=ResNetOptions(pool="caffe")
    ).eval()
    images = torch.randn(1, 3, 65, 64)
    features = backbone(images)
    pooled = nn.MaxPool2d(3, 2, ceil_mode=True)(features["c1"])  # 33 x 32 cells -> 16 x 16
    torch.testing.assert_close(features["c2"], backbone.get_submodule("layer1")(pooled))
    assert features["c2"].shape[-2:] == (16, 16)


def test_blocks_start_as_their_shortcuts_with_zero_init() -> None:
    backbone = create_backbone(
        "resnet18", levels=["c2"], options=ResNetOptions(zero_init_residual=True)
    ).eval()
    x = torch.rand(1, 64, 8, 8)
    torch.testing.assert_close(backbone.get_submodule("layer1")(x), x)


def test_drop_path_leaves_branches_out_of_whole_images_and_keeps_the_mean() -> None:
    drop = DropPath(0.25).train()
    torch.manual_seed(0)
    scales = drop(torch.ones(4000, 1, 1, 1)).flatten()
    assert scales.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert scales.mean().item() == pytest.approx(1.0, abs=0.03)
    assert drop.eval()(scales).equal(scales)


def test_drop_path_grows_linearly_with_depth() -> None:
    with torch.device("meta"):
        backbone = create_backbone("resnet18", options=ResNetOptions(drop_path=0.7))
    rates = [module.p for module in backbone.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])  # the first block has none


def test_checkpointed_drop_path_draws_the_same_masks_again() -> None:
    options = ResNetOptions(drop_path=0.5)
    plain = create_backbone("resnet18", levels=["c2"], options=options)
    saving = create_backbone(
        "resnet18", levels=["c2"], options=options, checkpoint_activations=True
    )
    saving.load_state_dict(plain.state_dict())
    images = torch.randn(4, 3, 32, 32)
    for backbone in (plain, saving):
        torch.manual_seed(7)
        backbone(images)["c2"].square().sum().backward()
    torch.testing.assert_close(saving.conv1.weight.grad, plain.conv1.weight.grad, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shortcut", "first", "other"),
    [
        ("A", "ZeroPad", None),
        ("A_centred", "ZeroPad", None),
        ("B", "Row", None),
        ("C", "Row", "Row"),
    ],
)
def test_shortcuts_pad_or_project(shortcut: str, first: str, other: str | None) -> None:
    with torch.device("meta"):
        backbone = create_backbone("resnet18", options=ResNetOptions(shortcut=shortcut))
    one, two = (block.downsample for block in backbone.get_submodule("layer2"))
    assert (type(one).__name__, None if two is None else type(two).__name__) == (first, other)


def test_zero_padding_takes_every_second_cell_and_names_its_side() -> None:
    x = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    kept = torch.tensor([[1.0, 3.0], [9.0, 11.0]])
    zeros = torch.zeros(2, 2)
    after = ZeroPad(1, 3, 2, centred=False)(x)[0]
    both = ZeroPad(1, 3, 2, centred=True)(x)[0]
    assert after.equal(torch.stack([kept, zeros, zeros]))
    assert both.equal(torch.stack([zeros, kept, zeros]))


def test_plain_nets_have_the_same_layers_and_no_shortcuts() -> None:
    plain = create_backbone("plain18", levels=["c2"]).eval()
    block = plain.get_submodule("layer1")[0]
    x = torch.randn(1, 64, 8, 8)
    expected = torch.relu(block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x))))))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "plain18",
            ResNetOptions(shortcut="C"),
            "options of plain18, which has no shortcuts, must be pool and dilation",
        ),
        ("resnet18", CifarOptions(), "options of resnet18 must be ResNetOptions, got CifarOptions"),
        (
            "resnet20",
            ResNetOptions(),
            "options of resnet20 must be CifarOptions, got ResNetOptions",
        ),
        ("vgg11", ResNetOptions(), "options of vgg11 must be VGGOptions, got ResNetOptions"),
    ],
)
def test_options_of_others_are_refused(name: str, options: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_backbone(name, options=options)


def test_stride_in_1x1_moves_the_stride_to_the_first_convolution() -> None:
    network = _torchvision("resnet50")
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    backbone = build(BackboneSpec("resnet50", pretrained=True, levels=ALL, stride_in="1x1"))
    _load(backbone, network)
    images = torch.randn(1, 3, 64, 64)
    _assert_equal(backbone(images), _torchvision_features(network, images))
    assert backbone.passport.stride_in == "1x1"


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_are_the_papers(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == PARAMETERS[name]


def test_levels_have_the_papers_channels_and_strides() -> None:
    with torch.device("meta"):
        basic, bottleneck = create_backbone("resnet34", levels=ALL), create_backbone("resnet101")
    assert [(level.name, level.channels, level.stride) for level in basic.levels] == [
        ("c1", 64, 2), ("c2", 64, 4), ("c3", 128, 8), ("c4", 256, 16), ("c5", 512, 32)
    ]  # fmt: skip
    assert [(level.name, level.channels, level.stride) for level in bottleneck.levels] == [
        ("c2", 256, 4), ("c3", 512, 8), ("c4", 1024, 16), ("c5", 2048, 32)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "built"),
    [
        (("c1",), ["conv1", "bn1", "relu"]),
        (("c3", "c1"), ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2"]),
        (("c4",), ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"]),
    ],
)
def test_only_what_the_asked_levels_need_is_built(
    levels: tuple[str, ...], built: list[str]
) -> None:
    backbone = create_backbone("resnet18", levels=levels)
    assert [name for name, _ in backbone.named_children()] == built
    assert list(backbone(torch.zeros(1, 3, 32, 32))) == sorted(levels)


def test_initialisation_is_torchvisions() -> None:
    torch.manual_seed(0)
    backbone = create_backbone("resnet18", levels=["c2"])
    weight = backbone.get_submodule("layer1")[0].conv1.weight
    assert weight.std().item() == pytest.approx(
        (2 / (64 * 9)) ** 0.5, rel=0.02
    )  # He et al. 2015, fan out
    assert backbone.bn1.weight.eq(1).all()


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_checkpointed_activations_give_equal_gradients_and_statistics(norm: str) -> None:
    torch.manual_seed(0)
    plain = create_backbone("resnet18", levels=["c2", "c3"], norm=norm, freeze_through="stem")
    saving = create_backbone(
        "resnet18",
        levels=["c2", "c3"],
        norm=norm,
        freeze_through="stem",
        checkpoint_activations=True,
    )
    saving.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 32, 32)
    for backbone in (plain, saving):
        sum(feature.square().sum() for feature in backbone.train()(images).values()).backward()
    for (name, mine), expected in zip(saving.named_parameters(), plain.parameters(), strict=True):
        assert (mine.grad is None) == (expected.grad is None)
        if expected.grad is not None:
            torch.testing.assert_close(mine.grad, expected.grad, rtol=0, atol=0, msg=name)
    for (name, mine), expected in zip(saving.named_buffers(), plain.buffers(), strict=True):
        assert mine.equal(expected), name  # the recomputation must not count a second time


def test_checkpointing_keeps_fewer_activations() -> None:
    def kept(checkpoint_activations: bool) -> int:
        backbone = create_backbone(
            "resnet18", levels=["c3"], checkpoint_activations=checkpoint_activations
        )
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: (sizes.append(x.numel()), x)[1], lambda x: x
        ):
            backbone(torch.randn(2, 3, 64, 64))
        return sum(sizes)

    assert kept(True) < 0.6 * kept(False)


def test_frozen_norms_under_bf16_autocast_keep_features_bf16_and_close() -> None:
    network = _torchvision("resnet18")
    backbone = build(BackboneSpec("resnet18", pretrained=True))
    _load(backbone, network)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        exact = backbone(images)
        with torch.autocast("cpu", torch.bfloat16):
            features = backbone(images)
    for name, feature in features.items():
        assert feature.dtype == torch.bfloat16
        assert (feature - exact[name]).abs().mean() < 0.02 * exact[name].abs().max()


def test_channels_last_images_give_channels_last_features() -> None:
    images = torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    features = build(BackboneSpec("resnet18", pretrained=True))(images)
    assert all(
        feature.is_contiguous(memory_format=torch.channels_last) for feature in features.values()
    )


@pytest.mark.parametrize(
    ("pretrained", "recompute"), [(True, False), (False, False), (False, True)]
)
def test_compiles_without_graph_breaks(pretrained: bool, recompute: bool) -> None:
    backbone = build(
        BackboneSpec(
            "resnet18", pretrained=pretrained, levels=["c2", "c3"], checkpoint_activations=recompute
        )
    )
    images = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(backbone, backend="eager", fullgraph=True)(images)
    for name, feature in backbone(images).items():
        torch.testing.assert_close(compiled[name], feature)


def test_exports() -> None:
    backbone = build(BackboneSpec("resnet18", pretrained=True, levels=["c2", "c3"])).eval()
    images = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(backbone, (images,)).module()
    for name, feature in exported(images).items():
        torch.testing.assert_close(feature, backbone(images)[name])
