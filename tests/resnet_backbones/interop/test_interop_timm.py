"""Backbones by name in timm."""

import warnings

import pytest
import timm
import torch
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone

from resnet_backbones.errors import UserError
from resnet_backbones.interop.timm import as_timm, register_timm
from resnet_backbones.registry import create_backbone

IMAGES = torch.rand(2, 3, 64, 64)


def test_features_and_their_description_are_timms() -> None:
    register_timm()
    ours = timm.create_model("rb_resnet18", features_only=True, out_indices=(1, 4)).eval()
    theirs = timm.create_model("resnet18", features_only=True, out_indices=(1, 4)).eval()
    assert ours.feature_info.channels() == theirs.feature_info.channels()
    assert ours.feature_info.reduction() == theirs.feature_info.reduction()
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        for mine, other in zip(ours(IMAGES), theirs(IMAGES), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_negative_indices_strides_and_channels() -> None:
    register_timm()
    model = timm.create_model(
        "rb_resnet18", features_only=True, out_indices=(-2, -1), in_chans=4, output_stride=16
    )
    assert model.feature_info.reduction() == [16, 16]
    assert [x.shape[1] for x in model(torch.rand(2, 4, 64, 64))] == [256, 512]


def test_one_step_trains() -> None:
    backbone = tiny_backbone()
    assert_one_step_trains(
        as_timm(backbone), backbone, lambda model: sum(x.square().mean() for x in model(IMAGES))
    )


def test_a_level_of_another_name_is_described_too() -> None:
    with torch.device("meta"):
        view = as_timm(create_backbone("vgg16", levels=["c3", "conv5_3"]))
    assert view.feature_info.reduction() == [8, 16]
    assert view.feature_info.module_name() == ["c3", "conv5_3"]


def test_registering_again_is_silent() -> None:
    register_timm()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "rb_resnet50" in register_timm()
    assert timm.is_model("rb_resnet50")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pretrained": True, "features_only": True}, "pretrained=True"),
        ({}, "features_only=True"),
        ({"features_only": True, "out_indices": (5,)}, "from -5 to 4"),
    ],
)
def test_what_is_not_there_is_refused(options: dict[str, object], message: str) -> None:
    register_timm()
    with pytest.raises(UserError, match=message):
        timm.create_model("rb_resnet18", **options)


def test_copies_are_independent() -> None:
    assert_copies_are_independent(
        as_timm(tiny_backbone()), IMAGES, lambda model, images: model(images)[0]
    )
