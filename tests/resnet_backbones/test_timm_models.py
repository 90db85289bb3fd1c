"""timm's models behind our contract, against timm's own feature maps."""

import copy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from resnet_backbones.errors import UserError
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.timm_models import TimmBackbone
from resnet_backbones.weights.saving import save_weights

CONVNEXT, RESNET, SWIN = "timm:convnext_atto", "timm:resnet10t", "timm:swin_tiny_patch4_window7_224"


def model(name: str, **changes: Any) -> TimmBackbone:
    backbone = build(BackboneSpec(name, **changes))
    assert isinstance(backbone, TimmBackbone)
    return backbone


@pytest.mark.parametrize(
    "name", [CONVNEXT, RESNET, "timm:efficientnet_lite0", "timm:mobilenetv3_small_050"]
)
def test_maps_are_timms_and_as_declared(name: str) -> None:
    backbone, images = model(name).eval(), torch.randn(1, 3, 64, 96)
    theirs = timm.create_model(name.removeprefix("timm:"), num_classes=0).eval()
    theirs.load_state_dict(backbone.state_dict(), strict=False)
    with torch.no_grad():
        features = backbone(images)
        maps = theirs.forward_intermediates(images, intermediates_only=True)[-len(features) :]
    assert list(features) == ["c2", "c3", "c4", "c5"]
    for level, expected in zip(backbone.levels, maps, strict=True):
        assert features[level.name].shape == (
            1,
            level.channels,
            64 // level.stride,
            96 // level.stride,
        )
        assert (features[level.name] - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_a_windowed_transformer_gives_channels_first_at_any_size() -> None:
    backbone = model(SWIN, levels=["c2", "c4"]).eval()
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 96, 64))
    assert {name: tuple(x.shape) for name, x in features.items()} == {
        "c2": (1, 96, 24, 16),
        "c4": (1, 384, 6, 4),
    }


def test_keys_are_timms_and_survive_a_round_trip() -> None:
    backbone = model(CONVNEXT, levels=["c3"])
    state = copy.deepcopy(backbone.state_dict())
    assert set(state) < set(timm.create_model("convnext_atto").state_dict())
    assert not any("stages.2" in key for key in state)  # no more is built than c3 needs
    other = copy.deepcopy(model(CONVNEXT, levels=["c3"]))
    other.load_state_dict(state, strict=True)
    assert all(value.equal(state[key]) for key, value in other.state_dict().items())


def test_weights_load_from_a_file_with_the_models_own_epsilon(tmp_path: Path) -> None:
    saved = model("timm:mobilenetv3_small_050", levels=["c3"])
    save_weights(tmp_path / "mobile.safetensors", saved)
    loaded = create_backbone(
        "timm:mobilenetv3_small_050",
        weights=str(tmp_path / "mobile.safetensors"),
        levels=["c3"],
        in_channels=1,
    )
    assert loaded.report is not None
    assert not loaded.report.missing
    assert loaded.passport.norm_eps == timm.create_model("mobilenetv3_small_050").bn1.eps
    gray = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        expected = saved.eval()(gray.expand(-1, 3, -1, -1))["c3"]
        torch.testing.assert_close(loaded.eval()(gray)["c3"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "through", "frozen", "trained"),
    [
        (CONVNEXT, "stem", "model.stem.", "model.stages.0"),
        (CONVNEXT, "c2", "model.stages.0", "model.stages.1"),
        (RESNET, "stem", "model.conv1", "model.layer1"),
        (RESNET, "c3", "model.layer2", "model.layer3"),
    ],
)
def test_freezing_goes_through_a_level(name: str, through: str, frozen: str, trained: str) -> None:
    backbone = model(name, freeze_through=through).train()
    names = backbone.frozen_names()
    assert any(key.startswith(frozen) for key in names)
    assert not any(key.startswith(trained) for key in names)


def test_gradients_reach_every_trained_parameter() -> None:
    backbone = model(CONVNEXT, freeze_through="c2")
    sum(x.sum() for x in backbone(torch.randn(1, 3, 64, 64)).values()).backward()
    assert {key for key, value in backbone.named_parameters() if value.grad is None} == set(
        backbone.frozen_names()
    )


def test_recomputing_gives_equal_gradients() -> None:
    plain, saving = model(CONVNEXT), model(CONVNEXT, checkpoint_activations=True)
    saving.load_state_dict(plain.state_dict())
    for backbone in (plain, saving):
        backbone(torch.ones(1, 3, 64, 64))["c5"].sum().backward()
    for mine, other in zip(plain.parameters(), saving.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None)
        assert mine.grad is None or torch.allclose(mine.grad, other.grad)


def test_frozen_norms_keep_their_statistics() -> None:
    backbone = model(RESNET, norm="frozen").train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(torch.randn(2, 3, 64, 64))
    assert all(value.equal(before[key]) for key, value in backbone.state_dict().items())
    assert not any("bn" in key for key, _ in backbone.named_parameters())


def test_other_strides_and_input_channels() -> None:
    with torch.device("meta"):
        backbone = model(CONVNEXT, output_stride=16, in_channels=1)
        features = backbone(torch.empty(1, 1, 64, 64))
    assert [level.stride for level in backbone.levels] == [4, 8, 16, 16]
    assert features["c5"].shape[-2:] == (4, 4)
    assert len(backbone.passport.mean) == 1


def test_exports_and_compiles() -> None:
    backbone, images = model(CONVNEXT).eval(), torch.randn(1, 3, 64, 64)
    expected = backbone(images)["c5"]
    torch.testing.assert_close(
        torch.compile(backbone, backend="eager", fullgraph=True)(images)["c5"], expected
    )
    torch.testing.assert_close(
        torch.export.export(backbone, (images,)).module()(images)["c5"], expected
    )


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("timm:convnext_tini", {}, "must name a timm model.*did you mean.*timm:convnext_tiny"),
        (SWIN, {"output_stride": 16}, "output_stride must be 32"),
        ("timm:vgg11", {"output_stride": 16}, "output_stride must be 32"),
        (CONVNEXT, {"norm": "group"}, "norm must be auto, batch, frozen or sync"),
        (CONVNEXT, {"norm": "sync"}, "has no batch norms"),
        (CONVNEXT, {"levels": ["c1"]}, "levels must be different names out of c2, c3, c4, c5"),
        (
            "timm:vit_tiny_patch16_224",
            {"freeze_through": "c4"},
            "freeze_through must be none.*cls_token",
        ),
        ("timm:hrnet_w18_small", {"freeze_through": "c2"}, "freeze_through must be none.*stage1"),
    ],
)
def test_what_a_model_has_not_is_refused_by_name(
    name: str, change: dict[str, Any], rule: str
) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=rule):
        model(name, **change)
