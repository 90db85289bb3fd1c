"""Backbones in detectron2's own pyramid and detector; `make test-interop DETECTRON2=path` installs
it for these.
"""

import pytest
import torch
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone

from resnet_backbones.errors import UserError
from resnet_backbones.interop.detectron2 import as_detectron2
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.weights.dialects import to_torchvision

REASON = "needs detectron2: make test-interop DETECTRON2=path"
pytest.importorskip("detectron2.modeling", reason=REASON)
IMAGES = torch.rand(2, 3, 64, 64)


def test_the_shapes_are_detectron2s() -> None:
    from detectron2.layers import ShapeSpec
    from detectron2.modeling.backbone import Backbone

    view = as_detectron2(tiny_backbone())
    assert isinstance(view, Backbone)
    strides = {"res2": (64, 4), "res3": (128, 8), "res4": (256, 16), "res5": (512, 32)}
    assert view.output_shape() == {
        name: ShapeSpec(channels=c, stride=s) for name, (c, s) in strides.items()
    }
    assert {name: x.shape[1] for name, x in view(IMAGES).items()} == {
        name: c for name, (c, _) in strides.items()
    }


def test_a_pyramid_trains() -> None:
    from detectron2.modeling import FPN

    backbone = tiny_backbone()
    model = FPN(as_detectron2(backbone), ["res2", "res3", "res4", "res5"], 32)
    assert_one_step_trains(
        model, backbone, lambda model: sum(x.square().mean() for x in model(IMAGES).values())
    )
    assert_copies_are_independent(model, IMAGES, lambda model, images: model(images)["p2"])


def test_retinanet_trains_and_predicts() -> None:
    from detectron2.modeling import FPN, RetinaNet
    from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
    from detectron2.modeling.box_regression import Box2BoxTransform
    from detectron2.modeling.matcher import Matcher
    from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
    from detectron2.structures import Boxes, Instances
    from detectron2.utils.events import EventStorage

    backbone = tiny_backbone()
    pyramid = FPN(as_detectron2(backbone), ["res3", "res4", "res5"], 32)
    shapes = list(pyramid.output_shape().values())
    anchors = DefaultAnchorGenerator(
        sizes=[[16], [32], [64]], aspect_ratios=[1.0], strides=[8, 16, 32]
    )
    head = RetinaNetHead(input_shape=shapes, num_classes=3, num_anchors=1, conv_dims=[32])
    model = RetinaNet(
        backbone=pyramid,
        head=head,
        head_in_features=["p3", "p4", "p5"],
        anchor_generator=anchors,
        box2box_transform=Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        anchor_matcher=Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
        num_classes=3,
        pixel_mean=[0.0, 0.0, 0.0],
        pixel_std=[1.0, 1.0, 1.0],
    )
    truth = Instances(
        (64, 64),
        gt_boxes=Boxes(torch.tensor([[10.0, 10.0, 40.0, 40.0]])),
        gt_classes=torch.tensor([1]),
    )
    batch = [{"image": IMAGES[0], "instances": truth}]
    with EventStorage():
        assert_one_step_trains(model, backbone, lambda model: sum(model(batch).values()))
    assert "instances" in model.eval()([{"image": IMAGES[0]}])[0]


def test_the_stem_is_refused() -> None:
    with pytest.raises(UserError, match=r"no name for c1.*levels=\['c2'\]"):
        as_detectron2(tiny_backbone(("c1", "c2")))
    with (
        torch.device("meta"),
        pytest.raises(UserError, match=r"no name for conv5_3.*levels=\['c4'\]"),
    ):
        as_detectron2(create_backbone("vgg16", levels=["c4", "conv5_3"]))


@pytest.mark.parametrize(("stride_in", "dilated"), [("1x1", False), ("3x3", False), ("3x3", True)])
def test_the_same_weights_give_detectron2s_own_maps(stride_in: str, dilated: bool) -> None:
    from detectron2.modeling.backbone.resnet import BasicStem, BottleneckBlock, ResNet

    stages, channels = [], 64
    for index, depth in enumerate((3, 4, 6, 3)):
        dilation = 2 if dilated and index == 3 else 1  # detectron2's RES5_DILATION
        stage = ResNet.make_stage(
            BottleneckBlock, depth, stride_per_block=[1 if index == 0 or dilation > 1 else 2] + [1] * (depth - 1),
            in_channels=channels, out_channels=256 * 2**index, bottleneck_channels=64 * 2**index, norm="BN",
            stride_in_1x1=stride_in == "1x1", dilation=dilation,
        )  # fmt: skip
        stages, channels = [*stages, stage], 256 * 2**index
    theirs = ResNet(BasicStem(norm="BN"), stages, out_features=["res2", "res5"]).eval()
    convention = ResNetOptions(dilation="detectron2")
    stride = 16 if dilated else 32
    ours = create_backbone(
        "resnet50",
        levels=["c2", "c5"],
        stride_in=stride_in,
        options=convention,
        output_stride=stride,
    )
    ours.load_state_dict(to_torchvision(theirs.state_dict(), "detectron2"))
    with torch.no_grad():
        for mine, other in zip(ours.eval()(IMAGES).values(), theirs(IMAGES).values(), strict=True):
            assert (mine - other).abs().max() <= 1e-4 * other.abs().max()
