"""Backbones in segmentation_models_pytorch's own models."""

import pytest
import torch
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone

from resnet_backbones.errors import UserError
from resnet_backbones.interop.smp import as_smp

smp = pytest.importorskip("segmentation_models_pytorch", reason="needs segmentation-models-pytorch")
IMAGES = torch.rand(2, 3, 64, 64)
ALL = ("c1", "c2", "c3", "c4", "c5")


@pytest.mark.parametrize("architecture", [smp.Unet, smp.FPN])
def test_models_train_and_predict(architecture: type[torch.nn.Module]) -> None:
    backbone = tiny_backbone(ALL)
    model = architecture(as_smp(backbone), encoder_weights=None, classes=4)
    assert_one_step_trains(model, backbone, lambda model: model(IMAGES).square().mean())
    with torch.no_grad():
        assert model.eval()(IMAGES).shape == (2, 4, 64, 64)


def test_names_are_those_of_smps_own_encoder() -> None:
    model = smp.Unet(as_smp(tiny_backbone(ALL)), encoder_weights=None)
    assert set(model.state_dict()) == set(smp.Unet("resnet18", encoder_weights=None).state_dict())


def test_the_same_weights_give_smps_own_answer() -> None:
    ours = smp.Unet(as_smp(tiny_backbone(ALL)), encoder_weights=None).eval()
    theirs = smp.Unet("resnet18", encoder_weights=None).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(IMAGES), theirs(IMAGES), rtol=1e-4, atol=1e-5)


def test_dilation_is_the_backbones() -> None:
    model = smp.DeepLabV3(
        as_smp(tiny_backbone(ALL, output_stride=8)), encoder_weights=None, encoder_output_stride=8
    )
    assert model.eval()(IMAGES).shape == (2, 1, 64, 64)
    with pytest.raises(UserError, match=r"got 16, but 32 in the backbone.*output_stride=16"):
        smp.DeepLabV3(as_smp(tiny_backbone(ALL)), encoder_weights=None, encoder_output_stride=16)


def test_other_channels_and_missing_levels_are_refused() -> None:
    with pytest.raises(UserError, match=r"got 4, but 3 in the backbone"):
        smp.Unet(as_smp(tiny_backbone(ALL)), encoder_weights=None, in_channels=4)
    with pytest.raises(UserError, match=r"encoder_depth=5 needs levels=.*'c1'"):
        smp.Unet(as_smp(tiny_backbone()), encoder_weights=None)


def test_copies_are_independent() -> None:
    model = smp.Unet(as_smp(tiny_backbone(ALL)), encoder_weights=None)
    assert_copies_are_independent(model, IMAGES, lambda model, images: model(images))
