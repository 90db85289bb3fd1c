"""torchvision's segmentation networks in ours: the same logits, and what is said of their
classes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import get_model_weights
from torchvision_segmenter import torchvision_network

from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.passport import IMAGENET_MEAN
from resnet_backbones.weights.sources import read_source
from tasks.labels import LabelMap
from tasks.vision.semantic.segmenter import SegmentationNetwork
from tasks.vision.semantic.weights import named_classes, segmenter_from_weights
from tasks.vision.settings_semantic import SemanticHeadConfig, SemanticModelConfig

NAMES = tuple(f"class {number}" for number in range(6))
LABELS = LabelMap(NAMES, NAMES)
CONFIG = SemanticModelConfig(
    backbone="resnet50", head=SemanticHeadConfig(kind="fcn", norm="batch", auxiliary=0.5)
)


@pytest.fixture(scope="module")
def fcn_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of torchvision's FCN."""
    path = tmp_path_factory.mktemp("fcn") / "fcn.pth"
    torch.save(torchvision_network("fcn_resnet50").state_dict(), path)
    return path


def load(path: Path, labels: LabelMap = LABELS, **head: object) -> tuple[SegmentationNetwork, str]:
    settings = replace(CONFIG.head, **head)  # type: ignore[arg-type]
    config = replace(CONFIG, weights=str(path), head=settings)
    return segmenter_from_weights(config, labels, read_source(str(path)))


@pytest.mark.parametrize("kind", ["fcn", "deeplabv3"])
def test_torchvisions_file_gives_torchvisions_logits(tmp_path: Path, kind: str) -> None:
    theirs = torchvision_network(f"{kind}_resnet50")
    torch.save(theirs.state_dict(), tmp_path / "file.pth")
    ours, report = load(tmp_path / "file.pth", kind=kind)
    ours.eval()
    images = torch.randint(0, 256, (2, 3, 64, 88), dtype=torch.uint8)
    sizes = torch.tensor([[64, 88]] * 2)
    with torch.no_grad():
        wanted = theirs(ours.normalizer(images, sizes))
        features = ours.features(images, sizes)
        found = ours.enlarge(ours.logits(features), (64, 88))
        auxiliary = ours.enlarge(ours.auxiliary_logits(features), (64, 88))
    torch.testing.assert_close(found, wanted["out"], rtol=0, atol=1e-5)
    torch.testing.assert_close(auxiliary, wanted["aux"], rtol=0, atol=1e-5)
    assert ours.backbone.passport.mean == IMAGENET_MEAN
    assert "6 classes keep their predictor" in report
    assert "does not name its 6 classes; those of the data are assumed" in report


def test_released_weights_keep_the_rows_of_classes_of_the_same_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = torchvision_network("fcn_resnet50", classes=21).state_dict()
    weights = get_model_weights("fcn_resnet50")
    monkeypatch.setattr(weights, "get_state_dict", lambda *_, **__: state)
    names = ("cat", "background", "zebra")
    config = replace(CONFIG, weights="torchvision:fcn_resnet50.COCO_WITH_VOC_LABELS_V1")
    source = read_source(str(config.weights))
    ours, report = segmenter_from_weights(config, LabelMap(names, names), source)
    rows = ours.head.predictor.weight
    assert torch.equal(rows[0], state["classifier.4.weight"][8])  # Pascal's eighth class
    assert torch.equal(rows[1], state["classifier.4.weight"][0])
    assert "2 classes keep their predictor (cat, background); 1 reinitialised (zebra)" in report
    assert ours.backbone.passport.source == config.weights
    assert ours.backbone.passport.architecture == "resnet50"


def test_released_weights_name_their_classes_and_a_file_does_not(
    monkeypatch: pytest.MonkeyPatch, fcn_file: Path
) -> None:
    state = torch.load(fcn_file, weights_only=True)
    weights = get_model_weights("fcn_resnet50")
    monkeypatch.setattr(weights, "get_state_dict", lambda *_, **__: state)
    released = "torchvision:fcn_resnet50.COCO_WITH_VOC_LABELS_V1"
    label_map = named_classes(read_source(released), released)
    assert label_map is not None
    assert label_map.names[:3] == ("background", "aeroplane", "bicycle")
    assert label_map.num_classes == 21
    assert named_classes(read_source(str(fcn_file)), str(fcn_file)) is None


def test_a_file_of_other_classes_keeps_none(fcn_file: Path) -> None:
    ours, report = load(fcn_file, LabelMap(NAMES[:2], NAMES[:2]), auxiliary=0.0)
    assert ours.num_classes == 2
    assert "no class is kept; 2 reinitialised" in report
    assert "it does not name its 6 classes" in report
    assert "its auxiliary head is left out" in report


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"kind": "fpn"}, r"needs model\.head\.kind=fcn and .*, got fpn and batch; set them"),
        ({"norm": "group"}, r"model\.head\.norm=batch or sync, got fcn and group; set them"),
    ],
)
def test_another_head_is_refused(fcn_file: Path, head: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(fcn_file, **head)


def test_a_deeper_network_than_the_backbone_is_refused(tmp_path: Path, fcn_file: Path) -> None:
    state: dict[str, Tensor] = torch.load(fcn_file, weights_only=True)
    deeper = {"backbone.layer3.6.conv1.weight": torch.zeros(256, 1024, 1, 1)}
    torch.save(state | deeper, tmp_path / "deeper.pth")
    with pytest.raises(UserError, match=r"must be of model\.backbone=resnet50, got 1 tensors that"):
        load(tmp_path / "deeper.pth")


def test_other_weights_are_a_backbones(tmp_path: Path) -> None:
    backbone = create_backbone("resnet18")
    torch.save(backbone.state_dict(), tmp_path / "r18.pth")
    config = SemanticModelConfig(
        backbone="resnet18",
        weights=str(tmp_path / "r18.pth"),
        head=SemanticHeadConfig(kind="deeplabv3plus", aspp_channels=16, atrous_rates=(2,)),
    )
    ours, report = segmenter_from_weights(config, LABELS, read_source(str(config.weights)))
    assert torch.equal(ours.backbone.layer4[1].conv2.weight, backbone.layer4[1].conv2.weight)
    assert ours.backbone.levels[-1].stride == 8
    assert "r18.pth" in report
