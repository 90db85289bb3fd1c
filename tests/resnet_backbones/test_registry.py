"""Names, defaults that depend on weights, and refused arguments."""

from pathlib import Path

import pytest
from torch import nn

from resnet_backbones import resnet
from resnet_backbones.errors import UserError
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.registry import build, create_backbone, list_backbones
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.saving import save_weights

PUBLISHED = (
    "vgg16",
    "googlenet_lrn",
    "resnet1202",
    "plain110",
    "resnet1001",
    "resnetv2_200",
    "resnetv2_164",
)


def _norms(module: nn.Module) -> set[str]:
    kinds = (FrozenBatchNorm2d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.GroupNorm)
    return {type(child).__name__ for child in module.modules() if isinstance(child, kinds)}


def test_every_row_of_a_familys_table_is_registered() -> None:
    assert set(resnet.VARIANTS) | set(PUBLISHED) <= set(list_backbones())


def test_weights_of_another_type_are_refused_with_an_example() -> None:
    """first_hour 13."""
    with pytest.raises(UserError, match=r"weights must be a name, a file or None, got True; say"):
        create_backbone("resnet18", weights=True)  # type: ignore[arg-type]


def test_a_wrong_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UserError, match=r"got 'resnet51'; did you mean .*resnet50"):
        create_backbone("resnet51")


def test_scratch_has_batch_norm_and_trains_everything() -> None:
    backbone = create_backbone("resnet18", levels=["c3"])
    assert _norms(backbone) == {"BatchNorm2d"}
    assert backbone.frozen_names() == ()
    assert backbone.report is None


def test_weights_bring_frozen_norms_and_freeze_through_c2(tmp_path: Path) -> None:
    save_weights(tmp_path / "r18.safetensors", create_backbone("resnet18"))
    backbone = create_backbone("resnet18", weights=str(tmp_path / "r18.safetensors"))
    assert _norms(backbone) == {"FrozenBatchNorm2d"}
    assert {name.partition(".")[0] for name in backbone.frozen_names()} == {"conv1", "layer1"}


@pytest.mark.parametrize(
    ("norm", "kind"), [("batch", "BatchNorm2d"), ("sync", "SyncBatchNorm"), ("group", "GroupNorm")]
)
def test_a_norm_can_be_chosen(norm: str, kind: str) -> None:
    assert _norms(create_backbone("resnet18", levels=["c2"], norm=norm)) == {kind}


def test_frozen_norms_without_weights_are_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"norm=frozen needs weights.*use norm=batch"):
        create_backbone("resnet18", norm="frozen")


def test_a_caller_that_loads_a_state_dict_may_build_frozen_norms() -> None:
    assert _norms(build(BackboneSpec("resnet18", pretrained=True, levels=["c2"]))) == {
        "FrozenBatchNorm2d"
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": ["c6"]}, "levels must be different names out of c1, c2, c3, c4, c5, got"),
        ({"levels": []}, "levels must be"),
        ({"levels": ["c2", "c2"]}, "levels must be different"),
        ({"norm": "layer"}, "norm must be auto, batch"),
        ({"freeze_through": "c6"}, "freeze_through must be auto, none, stem, c1"),
        ({"in_channels": 0}, "in_channels must be >= 1, got 0"),
        ({"output_stride": 4}, "output_stride must be 8, 16 or 32, got 4"),
        ({"stride_in": "2x2"}, "stride_in must be 3x3 or 1x1"),
        ({"stride_in": "1x1"}, "stride_in must be 3x3 for resnet18"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_backbone("resnet18", **arguments)
