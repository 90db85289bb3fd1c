"""Backbones as OpenMMLab takes them: a tuple, `init_weights`, and mmengine's registry."""

import pytest
import torch
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone

from resnet_backbones.errors import UserError
from resnet_backbones.interop.mmdet import as_mmdet, build_mmdet, register_mmdet

IMAGES = torch.rand(2, 3, 64, 64)


def test_the_output_is_a_tuple_and_init_weights_changes_nothing() -> None:
    backbone = tiny_backbone()
    view = as_mmdet(backbone)
    before = {name: tensor.clone() for name, tensor in view.state_dict().items()}
    view.init_weights()
    assert all(tensor.equal(before[name]) for name, tensor in backbone.state_dict().items())
    outputs = view(IMAGES)
    assert isinstance(outputs, tuple)
    assert [x.shape[1] for x in outputs] == [64, 128, 256, 512]


def test_one_step_trains() -> None:
    backbone = tiny_backbone()
    assert_one_step_trains(
        as_mmdet(backbone), backbone, lambda model: sum(x.square().mean() for x in model(IMAGES))
    )


def test_copies_are_independent() -> None:
    assert_copies_are_independent(
        as_mmdet(tiny_backbone()), IMAGES, lambda model, images: model(images)[0]
    )


def test_a_config_names_a_familys_options() -> None:
    view = build_mmdet(
        "resnet18", levels=("c3",), output_stride=8, options={"dilation": "detectron2"}
    )
    assert view.backbone.passport.options == {
        "shortcut": "B",
        "dilation": "detectron2",
        "output_stride": 8,
    }
    with pytest.raises(UserError, match=r"options of vgg11 must be width, head, got dilation"):
        build_mmdet("vgg11", options={"dilation": "detectron2"})


def test_mmengine_builds_it_from_a_config() -> None:
    registry = pytest.importorskip("mmengine.registry", reason="needs mmengine")
    config = {
        "type": register_mmdet(),
        "name": "resnet18",
        "levels": ("c3", "c5"),
        "freeze_through": "c2",
    }
    view = registry.MODELS.build(config)
    assert [x.shape[1] for x in view(IMAGES)] == [128, 512]
