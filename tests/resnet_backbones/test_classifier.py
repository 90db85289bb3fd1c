"""Classifiers: logits, gradients and statistics against torchvision's and timm's, and the published
counts.
"""

import copy
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.classifier import Classifier, create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.resnet_identity import IdentityOptions

TORCHVISION = ("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "googlenet")
TORCHVISION_SLOW = (
    "resnet34",
    "resnet101",
    "resnet152",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet101_2",
)
TORCHVISION_SLOW += (
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vgg11_bn",
    "vgg13_bn",
    "vgg16_bn",
    "vgg19_bn",
)
TIMM = ("resnet50c", "resnet18d", "resnet50d", "resnetv2_18", "resnetv2_50")
TIMM_SLOW = (
    "resnet101c",
    "resnet152c",
    "resnet34d",
    "resnet101d",
    "resnet152d",
    "resnet200d",
    "resnetv2_34",
)
TIMM_SLOW += ("resnet200", "resnetv2_101", "resnetv2_152")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in (*TORCHVISION_SLOW, *TIMM_SLOW)]
COUNTS = {  # He et al. 2016 and Identity Mappings, counted layer by layer; K is 1000, for CIFAR nets 10
    "plain18": 11_515_688,
    "plain34": 21_623_848,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet200": 64_673_832,
}
CIFAR_COUNTS = {  # shortcuts A, B, C
    20: (269_722, 272_474, 283_962),
    32: (464_154, 466_906, 489_594),
    44: (658_586, 661_338, 695_226),
    56: (853_018, 855_770, 900_858),
    110: (1_727_962, 1_730_714, 1_826_202),
    1202: (19_421_274, 19_424_026, 20_538_714),
}


def _reference(name: str) -> nn.Module:
    """The field's network with random weights, residual branches damped so that rounding does not
    grow with depth.
    """
    torch.manual_seed(3)
    if name == "googlenet":
        network: nn.Module = torchvision.models.get_model(name, init_weights=True, num_classes=7)
    elif name in (*TORCHVISION, *TORCHVISION_SLOW):
        network = torchvision.models.get_model(name, num_classes=7)
    else:
        network = timm.create_model(name, num_classes=7, zero_init_last=False)
    for path, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            largest = 0.1 if path.endswith(("bn3", "norm3")) else 1.0
            nn.init.uniform_(module.weight, largest / 2, largest)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def _pair(name: str) -> tuple[nn.Module, Classifier]:
    """The field's network and ours from one state dict, in fp64: random nets amplify the rounding
    of fp32.
    """
    theirs = _reference(name).double()
    ours = create_classifier(name, num_classes=7).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for module in ours.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return theirs, ours


def _main(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


def _assert_near(ours: Tensor, theirs: Tensor, tolerance: float, what: str = "logits") -> None:
    assert (ours - theirs).abs().max() <= tolerance * max(1e-3, theirs.abs().max()), what


@pytest.mark.parametrize("name", [*TORCHVISION, *TIMM, *SLOW])
def test_logits_statistics_and_gradients_are_the_fields(name: str) -> None:
    theirs, ours = _pair(name)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    expected, logits = _main(theirs.train()(images)), ours.train()(images)
    _assert_near(logits, expected, 1e-5)
    expected.square().sum().backward()
    logits.square().sum().backward()
    gradients = {key: x.grad for key, x in theirs.named_parameters() if x.grad is not None}
    mine = {_bare(key): x.grad for key, x in ours.named_parameters()}
    for key, gradient in gradients.items():
        _assert_near(mine[key], gradient, 1e-4, key)
    state = ours.state_dict()
    for key, buffer in theirs.named_buffers():
        _assert_near(state[key].double(), buffer.double(), 1e-4, key)
    with torch.no_grad():
        _assert_near(ours.eval()(images), _main(theirs.eval()(images)), 1e-5)


def _bare(name: str) -> str:
    return name.removeprefix("backbone.").removeprefix("head.")


def test_logits_in_fp32_are_torchvisions() -> None:
    theirs = _reference("resnet18").eval()
    ours = create_classifier("resnet18", num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        images = torch.randn(2, 3, 64, 64)
        _assert_near(ours(images), theirs(images), 1e-5)


def test_squeeze_excite_is_timms() -> None:
    theirs = timm.create_model("seresnet18", num_classes=7, zero_init_last=False).double().eval()
    ours = (
        create_classifier("resnet18", num_classes=7, options=ResNetOptions(squeeze_excite=16))
        .double()
        .eval()
    )
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
        _assert_near(ours(images), theirs(images), 1e-5)


def test_our_state_dict_loads_into_torchvisions_network() -> None:
    ours = create_classifier("resnet18", num_classes=7)
    missing, unexpected = torchvision.models.resnet18(num_classes=7).load_state_dict(
        ours.state_dict()
    )
    assert (missing, unexpected) == ([], [])


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    assert _count(create_meta(name)) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "a", "c"), [("resnet18", 11_515_688, 12_043_816), ("resnet34", 21_623_848, 22_716_840)]
)
def test_counts_with_shortcuts_a_and_c_are_the_published_ones(name: str, a: int, c: int) -> None:
    counts = [
        _count(create_meta(name, options=ResNetOptions(shortcut=kind)))
        for kind in ("A", "A_centred", "C")
    ]
    assert counts == [a, a, c]


@pytest.mark.parametrize("depth", CIFAR_COUNTS)
def test_cifar_counts_are_the_published_ones(depth: int) -> None:
    name = f"resnet{depth}"
    counts = [
        _count(create_meta(name, 10, options=CifarOptions(shortcut=kind)))
        for kind in ("A", "B", "C")
    ]
    assert tuple(counts) == CIFAR_COUNTS[depth]
    assert _count(create_meta(f"plain{depth}", 10)) == CIFAR_COUNTS[depth][0]


@pytest.mark.parametrize(
    ("depth", "original", "full"),
    [(110, 1_727_962, 1_727_962), (164, 1_704_154, 1_703_258), (1001, 10_328_602, 10_327_706)],
)
def test_counts_of_identity_mappings_are_the_published_ones(
    depth: int, original: int, full: int
) -> None:
    assert _count(create_meta(f"resnet{depth}", 10)) == original
    assert _count(create_meta(f"resnetv2_{depth}", 10)) == full
    before = create_meta(f"resnetv2_{depth}", 10, options=IdentityOptions(order="original"))
    assert _count(before) == original


def create_meta(name: str, num_classes: int = 1000, options: object | None = None) -> Classifier:
    """A classifier without memory."""
    with torch.device("meta"):
        return create_classifier(name, num_classes=num_classes, options=options)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_freezing_holds_in_training_and_in_a_copy() -> None:
    classifier = copy.deepcopy(
        create_classifier("resnet20", num_classes=3, freeze_through="c1")
    ).train()
    frozen = {
        _bare(name).partition(".")[0]
        for name, x in classifier.named_parameters()
        if not x.requires_grad
    }
    assert frozen == {"conv1", "bn1", "layer1"}
    assert not classifier.backbone.get_submodule("bn1").training
    assert classifier.backbone.get_submodule("layer2").training


def test_weights_fill_backbone_and_head(tmp_path: Path) -> None:
    network = torchvision.models.resnet18(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "file.pth")
    ours = create_classifier("resnet18", num_classes=7, weights=str(tmp_path / "file.pth"))
    assert all(ours.state_dict()[name].equal(x) for name, x in network.state_dict().items())


def test_no_class_is_refused() -> None:
    with pytest.raises(UserError, match="num_classes must be >= 1, got 0"):
        create_classifier("resnet20", num_classes=0)


def test_dense_logits_of_a_resnet_are_its_own() -> None:
    classifier = create_classifier("resnet20", num_classes=4).eval()
    images = torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        torch.testing.assert_close(classifier.dense(images), classifier(images))


def test_dense_logits_of_a_vgg_are_the_mean_over_windows() -> None:
    classifier = create_classifier("vgg11", num_classes=4).eval()
    images = torch.randn(1, 3, 224, 288)  # 7 x 9 cells
    with torch.no_grad():
        c5 = classifier.backbone(images)["c5"]
        windows = [c5[:, :, :, left : left + 7] for left in range(3)]
        single = [classifier.head({"c5": window})["main"] for window in windows]
        torch.testing.assert_close(classifier.dense(images), torch.stack(single).mean(0))


def test_dense_logits_of_a_vgg_need_seven_cells() -> None:
    classifier = create_classifier("vgg11", num_classes=4).eval()
    with pytest.raises(UserError, match=r"7 x 7 cells of c5, .* got 6 x 7"):
        classifier.dense(torch.zeros(1, 3, 200, 224))
