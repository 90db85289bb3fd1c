"""Six names for every tensor."""

import pytest
import torch
import torchvision
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.weights.dialects import (
    DIALECTS,
    Dialect,
    detect,
    from_torchvision,
    to_torchvision,
)

COUNTER = "num_batches_tracked"


@pytest.fixture(scope="module", params=["resnet18", "resnet50"])
def state(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    """Torchvision's names, each with a tensor of its own."""
    with torch.device("meta"):
        names = torchvision.models.get_model(request.param).state_dict()
    return {name: torch.tensor([float(index)]) for index, name in enumerate(names)}


@pytest.mark.parametrize("second", DIALECTS)
@pytest.mark.parametrize("first", DIALECTS)
def test_every_dialect_converts_to_every_other_and_back(
    state: dict[str, Tensor], first: str, second: str
) -> None:
    original = from_torchvision(state, first)
    there = from_torchvision(to_torchvision(original, first), second)
    back = from_torchvision(to_torchvision(there, second), first)
    lost = {name for name in original if second == "caffe2" and name.endswith(COUNTER)}
    assert set(original) - set(back) == lost
    assert all(tensor is original[name] for name, tensor in back.items())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_tell_the_dialect(state: dict[str, Tensor], dialect: Dialect) -> None:
    assert detect(from_torchvision(state, dialect)) == (
        "torchvision" if dialect == "timm" else dialect
    )


@pytest.mark.parametrize(
    ("name", "detectron2", "caffe2", "mmdet", "kuangliu"),
    [
        ("conv1.weight", "stem.conv1.weight", "conv1_w", "backbone.conv1.weight", "conv1.weight"),
        ("bn1.running_var", "stem.conv1.norm.running_var", "res_conv1_bn_riv", "backbone.bn1.running_var", "bn1.running_var"),
        ("layer1.2.conv3.weight", "res2.2.conv3.weight", "res2_2_branch2c_w", "backbone.layer1.2.conv3.weight", "layer1.2.conv3.weight"),
        ("layer4.0.bn2.bias", "res5.0.conv2.norm.bias", "res5_0_branch2b_bn_b", "backbone.layer4.0.bn2.bias", "layer4.0.bn2.bias"),
        ("layer3.0.downsample.0.weight", "res4.0.shortcut.weight", "res4_0_branch1_w",
         "backbone.layer3.0.downsample.0.weight", "layer3.0.shortcut.0.weight"),
        ("layer3.0.downsample.1.weight", "res4.0.shortcut.norm.weight", "res4_0_branch1_bn_s",
         "backbone.layer3.0.downsample.1.weight", "layer3.0.shortcut.1.weight"),
        ("fc.bias", "linear.bias", "pred_b", "head.fc.bias", "linear.bias"),
    ],
)  # fmt: skip
def test_names_are_those_of_the_libraries(
    name: str, detectron2: str, caffe2: str, mmdet: str, kuangliu: str
) -> None:
    expected = {
        "torchvision": name,
        "timm": name,
        "detectron2": detectron2,
        "caffe2": caffe2,
        "mmdet": mmdet,
        "kuangliu": kuangliu,
    }
    assert {d: next(iter(from_torchvision({name: torch.ones(1)}, d))) for d in DIALECTS} == expected


def test_caffe2_names_are_those_that_detectron2_reads(state: dict[str, Tensor]) -> None:
    loading = pytest.importorskip(
        "detectron2.checkpoint.c2_model_loading", reason="needs detectron2"
    )
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}
    theirs = loading.convert_basic_c2_names(list(from_torchvision(kept, "caffe2")))
    assert theirs == list(from_torchvision(kept, "detectron2"))


def test_deep_stems_are_renamed_for_mmdet_and_refused_for_caffe2() -> None:
    state = {
        name: torch.ones(1)
        for name in ("conv1.0.weight", "conv1.6.weight", "bn1.weight", "layer1.0.bn1.weight")
    }
    renamed = from_torchvision(state, "mmdet")
    assert [name.removeprefix("backbone.") for name in renamed] == [
        "stem.0.weight", "stem.6.weight", "stem.7.weight", "layer1.0.bn1.weight",
    ]  # fmt: skip
    assert list(to_torchvision(renamed, "mmdet")) == list(state)
    with pytest.raises(UserError, match=r"to caffe2, got conv1\.0\.weight"):
        from_torchvision(state, "caffe2")


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.", "resnet.", ""),
        *("student.", "teacher.", "features.", "body.", "bottom_up."),
        *("module.backbone.body.", "model.encoder.features.", "teacher.module.backbone."),
    ],
)
@pytest.mark.parametrize("head", ["fc", "linear", "classifier"])
def test_wrappers_prefixes_and_heads_of_others_are_understood(prefix: str, head: str) -> None:
    names = {
        f"{prefix}conv1.weight": torch.ones(1),
        f"{prefix}layer1.0.conv1.weight": torch.ones(1),
    }
    names[f"{head}.bias"] = torch.ones(1)
    assert list(to_torchvision(names, "torchvision")) == [
        "conv1.weight",
        "layer1.0.conv1.weight",
        "fc.bias",
    ]


def test_features_stay_in_the_names_of_vgg() -> None:
    names = {"module.features.0.weight": torch.ones(1), "features.1.bias": torch.ones(1)}
    assert list(to_torchvision(names, "torchvision")) == ["features.0.weight", "features.1.bias"]


@pytest.mark.parametrize(
    ("one", "other", "left_out"),
    [
        ("student.conv1.weight", "teacher.conv1.weight", "teacher."),
        ("model.student.backbone.bn1.bias", "model.teacher.bn1.bias", "model.student."),
        ("fc.bias", "model.fc.bias", "model."),
        ("model.fc.bias", "fc.bias", "model."),
    ],
)
def test_two_networks_in_a_file_are_refused_with_the_way_out(
    one: str, other: str, left_out: str
) -> None:
    names = {one: torch.ones(1), other: torch.ones(1)}
    with pytest.raises(UserError, match=f"must hold one network.* --rename {left_out}=unused"):
        to_torchvision(names, "torchvision")
