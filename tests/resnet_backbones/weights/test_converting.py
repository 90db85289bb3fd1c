"""Files of every dialect, converted and read back; what is not exact is refused."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from command_line import Tools
from torch import Tensor

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.adapt import (
    adapt_channels,
    first_convolution,
    fold_std,
    reorder_channels,
)
from resnet_backbones.weights.converting import convert_weights
from resnet_backbones.weights.dialects import DIALECTS, from_torchvision
from resnet_backbones.weights.files import read_tensors
from resnet_backbones.weights.loading import load_weights
from resnet_backbones.weights.passport import MSRA_MEAN, Passport
from resnet_backbones.weights.saving import save_weights
from resnet_backbones.weights.sources import read_source

MSRA = Passport(
    architecture="resnet50",
    stride_in="1x1",
    channel_order="bgr",
    value_range=255.0,
    mean=MSRA_MEAN,
    std=(1.0, 1.0, 1.0),
)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Torchvision's tensors of a ResNet-18 with a small classifier."""
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=2).state_dict()


@pytest.fixture
def pth(state: dict[str, Tensor], tmp_path: Path) -> Path:
    """`state` in a file."""
    torch.save(state, tmp_path / "in.pth")
    return tmp_path / "in.pth"


@pytest.mark.parametrize(
    ("first", "second", "ending"),
    [
        ("torchvision", "detectron2", "safetensors"),
        ("detectron2", "caffe2", "pkl"),
        ("caffe2", "mmdet", "pkl"),
        ("mmdet", "timm", "pth"),
        ("timm", "torchvision", "safetensors"),
    ],
)
def test_files_come_back_to_identical_bytes(
    pth: Path, first: str, second: str, ending: str
) -> None:
    one, two, three = (pth.with_name(f"{name}.{ending}") for name in ("one", "two", "three"))
    convert_weights(pth, one, to_dialect=first)
    report = convert_weights(one, two, to_dialect=second)
    assert "largest difference of features: 0 " in report
    convert_weights(two, three, to_dialect=first)
    original, back = read_tensors(one), read_tensors(three)
    assert {
        name for name in original.keys() - back.keys() if not name.endswith("num_batches_tracked")
    } == set()
    assert all(tensor.equal(original[name]) for name, tensor in back.items())
    assert read_source(str(three))[1].architecture == "resnet18"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_files_of_every_dialect_load_without_converting(
    state: dict[str, Tensor], tmp_path: Path, dialect: str
) -> None:
    torch.save({"model": from_torchvision(state, dialect)}, tmp_path / "file.pth")
    backbone = create_backbone("resnet18", weights=str(tmp_path / "file.pth"), levels=["c2"])
    assert not backbone.report.missing
    assert backbone.layer1[1].conv2.weight.equal(state["layer1.1.conv2.weight"])


@pytest.mark.parametrize(
    "prefix", ["module.", "backbone.", "encoder.", "model.", "module.encoder."]
)
@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
def test_checkpoints_of_others_load(
    state: dict[str, Tensor], tmp_path: Path, prefix: str, wrapping: str
) -> None:
    content = {prefix + name.replace("fc.", "linear."): tensor for name, tensor in state.items()}
    torch.save({wrapping: content, "epoch": 1}, tmp_path / "file.pth")
    backbone = create_backbone("resnet18", weights=str(tmp_path / "file.pth"), levels=["c2"])
    assert backbone.conv1.weight.equal(state["conv1.weight"])


def test_msras_files_have_their_statistics_merged(tmp_path: Path) -> None:
    trained = build(BackboneSpec("resnet50", levels=["c2"], stride_in="1x1")).state_dict()
    merged = {n: t.numpy() for n, t in trained.items() if "running" not in n and "tracked" not in n}
    named = from_torchvision(merged, "caffe2")
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"blobs": named}, protocol=2))
    backbone = create_backbone(
        "resnet50", weights=str(tmp_path / "R-50.pkl"), levels=["c2"], stride_in="1x1"
    )
    assert not backbone.report.missing
    assert backbone.passport == replace(
        MSRA, source=str(tmp_path / "R-50.pkl"), assumed=True, options={"shortcut": "B"}
    )
    assert (backbone.bn1.running_var + backbone.bn1.eps).eq(1).all()
    with pytest.raises(
        UserError, match=r"stride in the 1x1.*assumed from its names.*set model\.stride_in=1x1"
    ):
        create_backbone("resnet50", weights=str(tmp_path / "R-50.pkl"), levels=["c2"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("stride_in", "1x1", r"stride in the 1x1.*got stride_in=3x3; set model\.stride_in=1x1"),
        ("pool", "caffe", r"a caffe max-pool, got pool=padded; .*ResNetOptions\(pool='caffe'\)"),
        (
            "architecture",
            "resnet34",
            r"must be of resnet50, got resnet34; set model\.backbone=resnet34",
        ),
    ],
)
def test_what_the_network_was_built_for_is_not_contradicted(
    tmp_path: Path, field: str, value: str, message: str
) -> None:
    network = build(BackboneSpec("resnet50", levels=["c2"]))
    save_weights(
        tmp_path / "file.safetensors", network, replace(network.passport, **{field: value})
    )
    with pytest.raises(UserError, match=message):
        load_weights(network, str(tmp_path / "file.safetensors"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel_order", "bgr"),
        ("value_range", 255.0),
        ("mean", (0.5, 0.5, 0.5)),
        ("std", (1.0, 1.0, 1.0)),
        ("norm_eps", 1e-3),
    ],
)
def test_what_the_input_has_to_be_is_taken_from_the_file(
    tmp_path: Path, field: str, value: object
) -> None:
    network = build(BackboneSpec("resnet18", levels=["c2"]))
    save_weights(
        tmp_path / "file.safetensors", network, replace(network.passport, **{field: value})
    )
    load_weights(network, str(tmp_path / "file.safetensors"))
    assert getattr(network.passport, field) == value
    assert network.bn1.eps == network.passport.norm_eps


def test_bgr_files_are_refused_for_other_channels_with_the_way_out(tmp_path: Path) -> None:
    network = build(BackboneSpec("resnet18", levels=["c2"]))
    save_weights(
        tmp_path / "file.safetensors", network, replace(network.passport, channel_order="bgr")
    )
    with pytest.raises(UserError, match=r"bgr cannot take 4 input channels; .*--channel-order rgb"):
        create_backbone(
            "resnet18", weights=str(tmp_path / "file.safetensors"), levels=["c2"], in_channels=4
        )


@pytest.mark.parametrize("how", ["repeat", "mean"])
def test_the_adaptation_is_recorded(state: dict[str, Tensor], tmp_path: Path, how: str) -> None:
    torch.save(state, tmp_path / "file.pth")
    network = build(BackboneSpec("resnet18", levels=["c2"], in_channels=6))
    load_weights(network, str(tmp_path / "file.pth"), adapt=how)
    assert "trained on 3 channels, in_channels is 6" in network.passport.adapted
    torch.testing.assert_close(network.conv1.weight.sum(1), state["conv1.weight"].sum(1))


@pytest.mark.parametrize(
    "name", ["resnet50d", "resnetv2_18", "vgg11", "googlenet", "timm:resnet18"]
)
@pytest.mark.parametrize(("how", "channels"), [("sum", 1), ("repeat", 6), ("mean", 4)])
def test_every_family_fits_its_first_convolution_as_asked(
    tmp_path: Path, name: str, how: str, channels: int
) -> None:
    finest = "c2" if name.startswith("timm:") else "c1"
    trained = create_backbone(name, levels=[finest])
    save_weights(tmp_path / "file.safetensors", trained)
    path = str(tmp_path / "file.safetensors")
    adapted = create_backbone(name, levels=[finest], weights=path, in_channels=channels, adapt=how)
    first = first_convolution(trained)
    before, after = trained.state_dict()[first], adapted.state_dict()[first]
    means = before.mean(1, keepdim=True).expand_as(after) * 3 / channels
    expected = {
        "sum": before.sum(1, keepdim=True),
        "repeat": torch.cat([before, before], 1) / 2,
        "mean": means,
    }
    torch.testing.assert_close(after, expected[how])
    told = {
        "sum": "summed",
        "repeat": "repeated and scaled by 3/6",
        "mean": "averaged and scaled by 3/4",
    }
    assert adapted.passport.adapted.endswith(f"in_channels is {channels}: {told[how]}")
    assert adapted.passport.adapted in adapted.report.notes


def test_a_classifier_fits_its_first_convolution_as_asked(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "file.pth")
    classifier = create_classifier(
        "resnet18", num_classes=2, weights=str(tmp_path / "file.pth"), in_channels=4, adapt="mean"
    )
    assert classifier.backbone.passport.adapted.endswith("averaged and scaled by 3/4")


@pytest.mark.parametrize("create", [create_backbone, create_classifier])
def test_another_adaptation_is_refused_at_construction(create: Callable[..., object]) -> None:
    with pytest.raises(UserError, match="adapt must be auto, sum, repeat or mean, got 'copy'"):
        create("resnet18", in_channels=4, adapt="copy")


def test_a_sum_is_for_one_channel(state: dict[str, Tensor]) -> None:
    with pytest.raises(UserError, match="must be repeat or mean for in_channels=2"):
        adapt_channels(state, "conv1.weight", 2, "sum")


def test_channel_order_is_turned_to_the_bit(state: dict[str, Tensor]) -> None:
    turned, passport = reorder_channels(state, "conv1.weight", MSRA)
    assert (passport.channel_order, passport.mean) == ("rgb", MSRA_MEAN[::-1])
    assert turned["conv1.weight"].equal(state["conv1.weight"].flip(1))
    assert reorder_channels(turned, "conv1.weight", passport)[1] == MSRA


def test_a_folded_std_is_one(state: dict[str, Tensor]) -> None:
    folded, passport = fold_std(
        state, "conv1.weight", Passport(architecture="resnet18", std=(0.5, 0.5, 0.25))
    )
    assert passport.std == (1.0, 1.0, 1.0)
    assert folded["conv1.weight"].equal(
        state["conv1.weight"] * torch.tensor([2, 2, 4]).reshape(1, 3, 1, 1)
    )


def test_a_damaged_pickle_is_refused(pth: Path) -> None:
    path = pth.with_suffix(".pkl")
    convert_weights(pth, path, to_dialect="caffe2")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged or altered"):
        read_tensors(path)


def test_the_tool_renames_reorders_and_reports(
    state: dict[str, Tensor], tmp_path: Path, tools: Tools
) -> None:
    source, target = tmp_path / "in.pth", tmp_path / "out.safetensors"
    torch.save({f"encoder_q.{name}": tensor for name, tensor in state.items()}, source)
    flags = (
        "--rename",
        "encoder_q.=",
        "--channel-order",
        "bgr",
        "--fold-std",
        "--passport",
        "licence=MIT",
    )
    printed = tools("tools/convert_weights.py", source, target, "--to", "detectron2", *flags).output
    assert "now: BGR" in printed
    difference = float(printed.split("largest difference of features: ")[1].split()[0])
    assert difference < 1e-3
    assert read_source(str(target))[1].licence == "MIT"


def test_a_mean_is_not_folded_where_padding_is(pth: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be folded into conv1\.weight: its zero padding"):
        convert_weights(pth, pth.with_suffix(".safetensors"), to_dialect="timm", fold="mean-std")


def test_caffes_pool_travels_with_the_file(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "in.pth")
    path = tmp_path / "out.safetensors"
    convert_weights(tmp_path / "in.pth", path, to_dialect="timm", passport_fields={"pool": "caffe"})
    options = ResNetOptions(pool="caffe")
    assert (
        create_backbone("resnet18", weights=str(path), levels=["c2"], options=options).passport.pool
        == "caffe"
    )
