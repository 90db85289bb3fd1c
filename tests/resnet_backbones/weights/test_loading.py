"""Files of torchvision and timm, passports, and everything that must be refused."""

import argparse
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.files import read_tensors
from resnet_backbones.weights.loading import load_weights
from resnet_backbones.weights.passport import IMAGENET_MEAN, Passport
from resnet_backbones.weights.saving import save_weights

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def resnet18() -> State:
    """Torchvision's tensors of a ResNet-18 with random weights and statistics, classifier
    included.
    """
    torch.manual_seed(4)
    network = torchvision.models.resnet18()
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return network.state_dict()


@pytest.fixture(scope="module")
def head(resnet18: State) -> State:
    """The stem, layer1 and the classifier: a small file for c2 alone."""
    return {
        name: tensor
        for name, tensor in resnet18.items()
        if name.startswith(("conv1", "bn1", "layer1", "fc"))
    }


def _c2(weights: Path | str, **options: object) -> Backbone:
    return create_backbone("resnet18", weights=str(weights), levels=["c2"], **options)


def _assert_holds(backbone: Backbone, state: State) -> None:
    for name, tensor in backbone.state_dict().items():
        assert tensor.equal(state[name]), name


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {"module." + name: tensor for name, tensor in state.items()},
        lambda state: {
            "model": {"module." + name: tensor for name, tensor in state.items()},
            "best": 0.5,
        },
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"state_dict": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {
            name: tensor for name, tensor in state.items() if not name.startswith("fc.")
        },
    ],
    ids=[
        "plain",
        "state_dict",
        "model",
        "module.",
        "model and module.",
        "model and state_dict",
        "arguments",
        "without fc",
    ],
)
def test_torchvision_pth_files_load_however_they_are_wrapped(
    head: State, tmp_path: Path, wrap: object
) -> None:
    torch.save(wrap(head), tmp_path / "file.pth")
    _assert_holds(_c2(tmp_path / "file.pth"), head)


def test_a_whole_torchvision_file_loads_with_batch_norm_and_its_counters(
    resnet18: State, tmp_path: Path
) -> None:
    state = {
        name: torch.full_like(t, 7) if name.endswith("tracked") else t
        for name, t in resnet18.items()
    }
    torch.save(
        state, tmp_path / "file.pth", _use_new_zipfile_serialization=False
    )  # as torchvision's older files
    _assert_holds(
        create_backbone("resnet18", weights=str(tmp_path / "file.pth"), norm="batch"), state
    )


def test_a_timm_safetensors_file_loads(tmp_path: Path) -> None:
    state = timm.create_model("resnet50").state_dict()
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    backbone = create_backbone("resnet50", weights=str(tmp_path / "model.safetensors"))
    _assert_holds(backbone, state)
    assert backbone.report.unexpected == ("fc.bias", "fc.weight")
    assert not backbone.report.missing
    assert not backbone.report.mismatched


def test_the_report_tells_what_is_left_over_and_what_was_assumed(
    resnet18: State, tmp_path: Path
) -> None:
    torch.save(resnet18, tmp_path / "file.pth")
    backbone = create_backbone("resnet18", weights=str(tmp_path / "file.pth"), levels=["c3"])
    report = backbone.report
    assert len(report.matched) == report.needed
    assert {name.partition(".")[0] for name in report.unexpected} == {"layer3", "layer4", "fc"}
    assert backbone.passport.assumed
    text = str(report)
    assert text.splitlines()[0].endswith(
        f"file.pth: {report.needed} of {report.needed} tensors matched"
    )
    assert "left over: layer3.0.conv1.weight" in text
    assert "assumed, as the file has no passport" in text
    assert len(text.splitlines()) <= 10


def test_the_report_begins_with_the_other_parts_of_a_whole_detector(
    resnet18: State, tmp_path: Path
) -> None:
    """field_faults 17: `100 of 100 tensors matched` of a file that holds a detector."""
    heads = {
        "fpn.inner_blocks.0.0.weight": torch.zeros(2, 2, 1, 1),
        "rpn.head.conv.bias": torch.zeros(3),
    }
    torch.save(resnet18 | heads, tmp_path / "file.pth")
    report = create_backbone("resnet18", weights=str(tmp_path / "file.pth")).report
    assert report.other_parts == ("fpn", "rpn")
    first, second, *_ = str(report).splitlines()
    left = "only the backbone is loaded; 4 tensors are left over, of fpn, rpn"
    assert (first.partition(": ")[2], second) == (left, "  100 of 100 tensors matched")


def test_a_deeper_network_is_refused_although_every_name_is_found(
    head: State, tmp_path: Path
) -> None:
    torch.save(
        head | {"layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}, tmp_path / "resnet34.pth"
    )
    with pytest.raises(UserError, match=r"1 not of this network: layer1\.2\.conv1\.weight"):
        _c2(tmp_path / "resnet34.pth")


def test_batch_norm_files_are_refused_for_group_norm(head: State, tmp_path: Path) -> None:
    torch.save(head, tmp_path / "file.pth")
    with pytest.raises(UserError, match="norm=group needs weights trained with group norm"):
        _c2(tmp_path / "file.pth", norm="group")


def test_group_norm_files_load_for_group_norm_and_are_refused_for_batch_norm(
    tmp_path: Path,
) -> None:
    scratch = create_backbone("resnet18", levels=["c2"], norm="group")
    save_weights(tmp_path / "gn.safetensors", scratch)
    _assert_holds(_c2(tmp_path / "gn.safetensors", norm="group"), scratch.state_dict())
    with pytest.raises(UserError, match=r"missing: .*bn1\.running_mean"):
        _c2(tmp_path / "gn.safetensors")


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "tensors by name, got list"), ({"epoch": 1}, r"entries \['epoch'\]")],
)
def test_files_without_tensors_are_refused(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(UserError, match=message):
        _c2(tmp_path / "file.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_files_that_are_no_weights_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_text("not weights at all")
    with pytest.raises(
        UserError, match=r"must be a \.safetensors file or a torch\.save of tensors"
    ):
        _c2(path)


def test_pickled_networks_are_refused_and_not_run(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "file.pth")
    with pytest.raises(UserError, match=r"torch\.save\(model\.state_dict\(\), path\)"):
        read_tensors(tmp_path / "file.pth")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UserError, match=r"weights must be an existing file.*nowhere\.pth"):
        _c2("nowhere.pth")


@pytest.mark.parametrize("channels", [1, 6])
def test_other_input_channels_keep_the_response_to_gray_images(
    head: State, tmp_path: Path, channels: int
) -> None:
    torch.save(head, tmp_path / "file.pth")
    backbone = _c2(tmp_path / "file.pth", in_channels=channels)
    weight = backbone.state_dict()["conv1.weight"]
    torch.testing.assert_close(weight.sum(1), head["conv1.weight"].sum(1))
    assert f"in_channels is {channels}" in str(backbone.report)
    assert len(backbone.passport.mean) == channels


def test_four_channels_repeat_the_first_and_scale_by_three_quarters(
    head: State, tmp_path: Path
) -> None:
    torch.save(head, tmp_path / "file.pth")
    weight = _c2(tmp_path / "file.pth", in_channels=4).state_dict()["conv1.weight"]
    torch.testing.assert_close(weight, head["conv1.weight"][:, [0, 1, 2, 0]] * 0.75)


def test_saved_weights_come_back_with_their_passport(tmp_path: Path) -> None:
    scratch = create_backbone("resnet18", levels=["c2"])
    passport = Passport(architecture="resnet18", mean=(0.5, 0.5, 0.5), norm_eps=1e-3)
    save_weights(tmp_path / "file.safetensors", scratch, passport)
    loaded = _c2(tmp_path / "file.safetensors", norm="batch")
    _assert_holds(loaded, scratch.state_dict())
    written = {
        "source": str(tmp_path / "file.safetensors"),
        "library_version": version("resnet-backbones"),
    }
    assert loaded.passport == replace(passport, options={"shortcut": "B"}, **written)
    assert loaded.bn1.eps == 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["file.safetensors"]


def test_frozen_and_batch_norm_read_each_others_files(tmp_path: Path) -> None:
    frozen = build(BackboneSpec("resnet18", pretrained=True, levels=["c2"]))
    save_weights(tmp_path / "file.safetensors", frozen)
    assert not _c2(tmp_path / "file.safetensors", norm="batch").report.missing


def test_altered_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_weights(path, create_backbone("resnet18", levels=["c2"]))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged or altered"):
        _c2(path)


def test_contradicting_passports_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    save_weights(path, create_backbone("resnet50", levels=["c2"], stride_in="1x1"))
    with pytest.raises(UserError, match=r"set model\.stride_in=1x1"):
        create_backbone("resnet50", weights=path, levels=["c2"])
    with pytest.raises(UserError, match=r"set model\.backbone=resnet50"):
        create_backbone("resnet101", weights=path, levels=["c2"], stride_in="1x1")
    assert (
        create_backbone("resnet50", weights=path, levels=["c2"], stride_in="1x1").passport.stride_in
        == "1x1"
    )


def test_a_plain_state_dict_needs_a_passport(head: State, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a passport"):
        save_weights(tmp_path / "file.safetensors", head)


def test_torchvision_weights_come_through_torchvision(
    resnet18: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *_, **__: resnet18
    )
    backbone = create_backbone("resnet18", weights="torchvision:resnet18.IMAGENET1K_V1")
    _assert_holds(backbone, resnet18)
    assert backbone.passport.mean == IMAGENET_MEAN
    assert not backbone.passport.assumed


def test_timm_weights_bring_timms_mean(resnet18: State, monkeypatch: pytest.MonkeyPatch) -> None:
    network = timm.create_model("resnet34")
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: network)
    backbone = create_backbone("resnet34", weights="timm:resnet34.ra4_e3600_r224_in1k")
    _assert_holds(backbone, network.state_dict())
    assert backbone.passport.mean == (0.5, 0.5, 0.5)
    assert backbone.passport.source == "timm:resnet34.ra4_e3600_r224_in1k"


def test_without_a_network_the_error_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    for source in ("torchvision:resnet18.IMAGENET1K_V1", "timm:resnet18.fb_ssl_yfcc100m_ft_in1k"):
        with pytest.raises(
            UserError, match=r"local \.pth or \.safetensors file.*or model\.weights=null"
        ) as caught:
            _c2(source)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("torchvision:resnet18.V9", r"weights must be torchvision:resnet18\.IMAGENET1K_V1"),
        ("torchvision:resnet17.IMAGENET1K_V1", "must name a torchvision model"),
        ("timm:resnet17.a1_in1k", "must name a timm model"),
        ("timm:resnet18.nonsense", "must name a pretrained tag.*nonsense"),
    ],
)
def test_unknown_online_names_are_refused(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _c2(source)


def test_loading_into_an_existing_backbone(head: State, tmp_path: Path) -> None:
    torch.save(head, tmp_path / "file.pth")
    backbone = build(BackboneSpec("resnet18", levels=["c2"]))
    assert load_weights(backbone, str(tmp_path / "file.pth")) is backbone.report
    _assert_holds(backbone, head)
