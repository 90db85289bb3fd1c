"""Backbones in torchvision's own detectors and segmentation models."""

import pytest
import torch
import torchvision.models as zoo
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet, fasterrcnn_resnet50_fpn
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
from torchvision.models.segmentation.fcn import FCN, FCNHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from resnet_backbones.errors import UserError
from resnet_backbones.interop.torchvision import as_torchvision
from resnet_backbones.registry import create_backbone

IMAGE = torch.rand(3, 64, 64)
MASKS = torch.zeros(1, 64, 64, dtype=torch.uint8)
MASKS[:, 10:40, 10:40] = 1
TARGET = {
    "boxes": torch.tensor([[10.0, 10.0, 40.0, 40.0]]),
    "labels": torch.tensor([1]),
    "masks": MASKS,
}


def detector_loss(model: nn.Module) -> Tensor:
    return sum(model([IMAGE], [TARGET]).values())


@pytest.mark.parametrize("detector", [FasterRCNN, RetinaNet, MaskRCNN])
def test_detectors_train_and_predict(detector: type[nn.Module]) -> None:
    backbone = tiny_backbone()
    model = detector(
        as_torchvision(backbone, fpn_channels=32), num_classes=3, min_size=64, max_size=64
    )
    assert_one_step_trains(model, backbone, detector_loss)
    with torch.no_grad():
        assert set(model.eval()([IMAGE])[0]) >= {"boxes", "labels", "scores"}


def test_extra_maps_of_torchvision_take_the_place_of_pool() -> None:
    view = as_torchvision(tiny_backbone(("c3", "c4", "c5")), 32, LastLevelP6P7(32, 32))
    assert list(view(IMAGE[None])) == ["0", "1", "2", "p6", "p7"]


def test_a_detector_has_the_names_of_torchvisions_own() -> None:
    backbone = create_backbone("resnet50", norm="batch")
    model = FasterRCNN(as_torchvision(backbone), num_classes=91)
    theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    assert set(model.state_dict()) - set(theirs.state_dict()) == set()
    assert set(theirs.state_dict()) - set(model.state_dict()) == set()


def test_segmentation_trains_and_predicts() -> None:
    backbone = tiny_backbone(("c4", "c5"), output_stride=8)
    model = DeepLabV3(
        as_torchvision(backbone, fpn_channels=None), DeepLabHead(512, 4), FCNHead(256, 4)
    )
    images = torch.rand(2, 3, 64, 64)
    assert_one_step_trains(
        model, backbone, lambda model: sum(x.square().mean() for x in model(images).values())
    )
    assert model.eval()(images)["out"].shape == (2, 4, 64, 64)


def test_segmentation_has_the_names_of_torchvisions_own() -> None:
    model = FCN(as_torchvision(create_backbone("resnet50", norm="batch"), None), FCNHead(2048, 4))
    theirs = zoo.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=4)
    assert set(model.state_dict()) == set(theirs.state_dict())


def test_copies_are_independent() -> None:
    view = as_torchvision(tiny_backbone(), 32)
    assert_copies_are_independent(view, IMAGE[None], lambda model, images: model(images)["0"])


def test_one_level_is_refused_for_segmentation() -> None:
    with pytest.raises(UserError, match=r"two levels of the backbone, got \['c5'\]"):
        as_torchvision(tiny_backbone(("c5",)), None)
