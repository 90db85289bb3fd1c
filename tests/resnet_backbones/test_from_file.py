"""Networks that a file describes: by its passport, or by its tensors."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from cifar_nets import BLOCKS, Net
from torch import Tensor, nn

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.from_file import load_backbone, load_classifier
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.resnet_identity import IdentityOptions
from resnet_backbones.vgg import VGGOptions
from resnet_backbones.weights.converting import convert_weights
from resnet_backbones.weights.dialects import from_torchvision
from resnet_backbones.weights.report import PartialWeightsWarning
from resnet_backbones.weights.saving import save_weights

State = dict[str, Tensor]


def _randomised(network: nn.Module) -> nn.Module:
    """With statistics that are not the identity's."""
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.1, 0.1)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
        nn.init.uniform_(norm.weight, 0.5, 1.0)
    return network.eval()


@torch.no_grad()
def _assert_same(ours: nn.Module, theirs: nn.Module, size: int = 64, channels: int = 3) -> None:
    images = torch.randn(2, channels, size, size)
    torch.testing.assert_close(ours.eval()(images), theirs(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet50", {"stride_in": "1x1", "options": ResNetOptions(pool="caffe", shortcut="C")}),
        ("resnet18", {"options": ResNetOptions(dilation="detectron2"), "output_stride": 8}),
        ("resnet18", {"norm": "group"}),
        ("resnet20", {"options": CifarOptions(shortcut="A_centred")}),
        ("resnetv2_20", {"options": IdentityOptions(order="original")}),
        ("vgg11", {"in_channels": 4}),
        ("vgg11_lrn", {"options": VGGOptions(width=4, head="mean")}),
        ("timm:resnet18", {}),
    ],
)
def test_a_passport_says_it_all(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    path = str(tmp_path / "file.safetensors")
    saved = create_backbone(name, **options)
    save_weights(path, saved)
    loaded = load_backbone(path)
    assert type(loaded) is type(saved)
    assert loaded.passport.options == saved.passport.options
    assert (loaded.levels, loaded.passport.mean) == (saved.levels, saved.passport.mean)
    assert all(x.equal(saved.state_dict()[key]) for key, x in loaded.state_dict().items())
    assert not loaded.report.random


def test_overrides_are_those_of_create_backbone(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    save_weights(path, create_backbone("resnet18"))
    usual = load_backbone(path)
    assert {name.partition(".")[0] for name in usual.frozen_names()} == {"conv1", "layer1"}
    asked = load_backbone(
        path, levels=["c3"], norm="batch", freeze_through=None, in_channels=1, output_stride=8
    )
    assert [(level.name, level.stride) for level in asked.levels] == [("c3", 8)]
    assert (asked.frozen_names(), asked.conv1.in_channels) == ((), 1)
    assert load_backbone(path, name="timm:resnet18").passport.architecture == "resnet18"
    with pytest.raises(UserError, match="must be of resnet34, got resnet18"):
        load_backbone(path, name="resnet34")
    with pytest.raises(TypeError, match="unexpected keyword arguments: classes"):
        load_backbone(path, classes=3)
    with pytest.raises(UserError, match="adapt must be"):
        load_backbone(path, adapt="copy")


def test_loading_is_strict_unless_asked(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    saved = create_backbone("resnet20")
    state = {k: x for k, x in saved.state_dict().items() if k != "layer3.0.conv1.weight"}
    save_weights(path, state, saved.passport)
    with pytest.raises(UserError, match=r"1 missing: layer3\.0\.conv1\.weight"):
        load_backbone(path)
    with pytest.warns(PartialWeightsWarning, match=r"1 missing: layer3\.0\.conv1\.weight"):
        load_backbone(path, strict=False)


TORCHVISION = ("resnet18", "resnext50_32x4d")
TIMM = ("resnet18d", "resnetv2_18")


@pytest.mark.parametrize("name", [*TORCHVISION, *TIMM])
def test_files_of_torchvision_and_timm_are_recognised(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    source = timm.create_model if name in TIMM else torchvision.models.get_model
    theirs = _randomised(source(name, num_classes=5))
    torch.save(theirs.state_dict(), tmp_path / "file.pth")
    ours = load_classifier(str(tmp_path / "file.pth"))
    assert ours.backbone.passport.architecture == name
    assert ours.num_classes == 5
    _assert_same(ours, theirs)


def test_torchvisions_googlenet_keeps_its_epsilon_and_its_auxiliary_heads(tmp_path: Path) -> None:
    theirs = _randomised(torchvision.models.googlenet(init_weights=False, num_classes=5))
    torch.save({"model": theirs.state_dict()}, tmp_path / "file.pth")
    ours = load_classifier(str(tmp_path / "file.pth"))
    assert ours.backbone.report.head_loaded == ("aux1", "aux2", "fc")
    _assert_same(ours, theirs)


@pytest.mark.parametrize("name", BLOCKS)
def test_kuanglius_files_are_recognised(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    theirs = _randomised(Net(BLOCKS[name]))
    state = {f"module.{key}": x for key, x in theirs.state_dict().items()}
    torch.save({"net": state, "acc": 95.1, "epoch": 180}, tmp_path / "ckpt.pth")
    ours = load_classifier(str(tmp_path / "ckpt.pth"))
    assert (ours.backbone.passport.architecture, ours.num_classes) == (name, 10)
    _assert_same(ours, theirs, size=16)
    again = create_classifier(name, num_classes=10, weights=str(tmp_path / "ckpt.pth"))
    _assert_same(again, theirs, size=16)
    with pytest.raises(UserError, match=r"wrong shape: conv1\.weight.*backbones describe FILE"):
        create_classifier("resnet18", num_classes=10, weights=str(tmp_path / "ckpt.pth"))


@pytest.fixture
def akamaster(tmp_path: Path) -> tuple[str, nn.Module]:
    """A ResNet-20 that is padded on both sides, and its file."""
    torch.manual_seed(0)
    theirs = _randomised(Net((3, 3, 3), width=16, zeros=True))
    state = {f"module.{key}": x for key, x in theirs.state_dict().items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, tmp_path / "resnet20.th")
    return str(tmp_path / "resnet20.th"), theirs


def test_akamasters_files_are_built_in_one_step(akamaster: tuple[str, nn.Module]) -> None:
    path, theirs = akamaster
    ours = load_classifier(path)
    assert ours.backbone.passport.architecture == "resnet20"
    assert ours.backbone.passport.options == {"shortcut": "A_centred"}
    assert ours.num_classes == 10
    _assert_same(ours, theirs, size=16)


def test_akamasters_files_name_the_option_that_they_need(
    akamaster: tuple[str, nn.Module],
) -> None:
    path, theirs = akamaster
    needed = "resnet_backbones.resnet_cifar.CifarOptions(shortcut='A_centred')"
    with pytest.raises(UserError) as caught:
        create_classifier("resnet20", num_classes=10, weights=path)
    assert f"or with options={needed}" in str(caught.value)
    assert "load_classifier" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    options = CifarOptions(shortcut="A_centred")
    ours = create_classifier("resnet20", num_classes=10, weights=path, options=options)
    _assert_same(ours, theirs, size=16)


def test_akamasters_files_are_converted_with_their_option(
    akamaster: tuple[str, nn.Module], tmp_path: Path
) -> None:
    path, theirs = akamaster
    convert_weights(Path(path), tmp_path / "out.safetensors", to_dialect="torchvision")
    _assert_same(load_classifier(str(tmp_path / "out.safetensors")), theirs, size=32)


def test_projections_of_akamasters_nets_are_recognised(tmp_path: Path) -> None:
    theirs = _randomised(Net((3, 3, 3), width=16))
    torch.save(theirs.state_dict(), tmp_path / "file.pth")
    ours = load_classifier(str(tmp_path / "file.pth"))
    assert ours.backbone.passport.options == {"shortcut": "B"}
    _assert_same(ours, theirs, size=16)


def test_several_networks_of_the_same_tensors_are_named(tmp_path: Path) -> None:
    path = str(tmp_path / "file.pth")
    saved = create_classifier("resnet20", num_classes=10)
    torch.save(saved.state_dict(), path)
    both = r"which resnet20 and resnet20 \(shortcut='A_centred'\) and plain20 have; give name="
    with pytest.raises(UserError, match=both):
        load_classifier(path)
    with pytest.raises(UserError, match=r"one registered backbone, resnet20, got .*'A_centred'"):
        load_classifier(path, name="resnet20")
    assert load_classifier(path, name="plain20").backbone.passport.architecture == "plain20"
    centred = load_backbone(path, name="resnet20", options=CifarOptions(shortcut="A_centred"))
    assert centred.passport.options == {"shortcut": "A_centred"}
    with pytest.raises(UserError, match=r"have; say which with --architecture"):
        convert_weights(Path(path), tmp_path / "out.pth", to_dialect="timm")


def test_unknown_networks_are_refused(tmp_path: Path) -> None:
    torch.save({"stem.weight": torch.zeros(3, 3, 3, 3)}, tmp_path / "file.pth")
    with pytest.raises(UserError, match=r"one registered backbone, got stem\.weight; give name="):
        load_backbone(str(tmp_path / "file.pth"))


def test_a_name_that_is_given_is_built(tmp_path: Path) -> None:
    network = timm.create_model("resnet18", num_classes=3)
    torch.save(network.state_dict(), tmp_path / "file.pth")
    loaded = load_backbone(str(tmp_path / "file.pth"), name="timm:resnet18")
    assert loaded.passport.architecture == "timm:resnet18"
    with pytest.raises(UserError, match=r"one registered backbone, resnet34, got"):
        load_backbone(str(tmp_path / "file.pth"), name="resnet34")


def test_input_channels_are_those_of_the_file(tmp_path: Path) -> None:
    gray = create_backbone("vgg11_bn", in_channels=1)
    torch.save(gray.state_dict(), tmp_path / "file.pth")
    loaded = load_backbone(str(tmp_path / "file.pth"))
    assert loaded.passport.mean == (0.485,)
    assert loaded.state_dict()["features.0.weight"].equal(gray.state_dict()["features.0.weight"])


def test_group_norms_are_built_where_there_are_no_statistics(tmp_path: Path) -> None:
    saved = create_classifier("resnet18", num_classes=2, norm="group").eval()
    torch.save(saved.state_dict(), tmp_path / "file.pth")
    _assert_same(load_classifier(str(tmp_path / "file.pth")), saved)


@pytest.mark.parametrize("dialect", ["caffe2", "detectron2", "mmdet", "kuangliu"])
def test_files_in_other_names_are_recognised(tmp_path: Path, dialect: str) -> None:
    state = torchvision.models.resnet18(num_classes=2).state_dict()
    torch.save({"model": from_torchvision(state, dialect)}, tmp_path / "file.pth")
    loaded = load_classifier(str(tmp_path / "file.pth"))
    assert loaded.backbone.passport.architecture == "resnet18"
    assert loaded.head["fc"].weight.equal(state["fc.weight"])


def test_msras_files_are_recognised_with_their_stride(tmp_path: Path) -> None:
    trained = create_backbone("resnet50", stride_in="1x1").state_dict()
    kept = {name: x for name, x in trained.items() if "running" not in name}
    named = from_torchvision(kept | {"conv1.bias": torch.ones(64)}, "caffe2")
    torch.save({"blobs": named}, tmp_path / "file.pth")
    loaded = load_backbone(str(tmp_path / "file.pth"))
    assert (loaded.passport.stride_in, loaded.passport.channel_order) == ("1x1", "bgr")
    assert loaded.bn1.running_mean.eq(-1).all()


def test_msras_files_are_converted(tmp_path: Path) -> None:
    state = torchvision.models.resnet18(num_classes=2).state_dict()
    kept = {name: x for name, x in state.items() if "running" not in name}
    torch.save({"blobs": from_torchvision(kept, "caffe2")}, tmp_path / "file.pth")
    told = convert_weights(tmp_path / "file.pth", tmp_path / "out.pth", to_dialect="torchvision")
    assert "largest difference of features: 0 " in told


def test_a_file_without_a_head_is_no_classifier(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    save_weights(path, create_backbone("resnet20"))
    with pytest.raises(UserError, match=r"head of a classifier of resnet20, got none; use load_b"):
        load_classifier(path)
    new = load_classifier(path, num_classes=7, head="new")
    assert (new.num_classes, new.backbone.report.head_new) == (7, ("fc",))


def test_a_file_may_be_named_by_a_path(tmp_path: Path) -> None:
    file = tmp_path / "plain.safetensors"
    backbone = create_backbone("resnet20")
    save_weights(file, backbone)
    for again in (load_backbone(file), create_backbone("resnet20", weights=file)):
        assert torch.equal(
            again.state_dict()["conv1.weight"], backbone.state_dict()["conv1.weight"]
        )
