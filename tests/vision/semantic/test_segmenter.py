"""The segmenter as a whole: padding, the auxiliary head, class rows, and the copy for
inference.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.vision.load_pretrained import load_pretrained
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter, for_inference
from tasks.vision.settings_semantic import HeadKind, SemanticHeadConfig, SemanticModelConfig

SIZES = torch.tensor([[64, 70], [50, 96]])


def tiny_segmenter(kind: HeadKind = "fpn", classes: int = 3, **head: object) -> SegmentationNetwork:
    torch.manual_seed(0)
    config = SemanticHeadConfig(
        kind=kind,
        channels=16,
        pyramid_channels=16,
        aspp_channels=16,
        atrous_rates=(2, 4),
        low_level_channels=8,
        **head,  # type: ignore[arg-type]
    )
    return build_segmenter(SemanticModelConfig(backbone="resnet18", head=config), classes)


def noise() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("kind", "stride"), [("fpn", 4), ("fcn", 8), ("deeplabv3", 8), ("deeplabv3plus", 4)]
)
def test_logits_have_the_heads_stride(kind: HeadKind, stride: int) -> None:
    model = tiny_segmenter(kind)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(noise(), SIZES)
    assert logits.shape == (2, 3, 64 // stride, 96 // stride)
    assert logits.dtype == torch.float32
    assert model.enlarge(logits, (64, 96)).shape == (2, 3, 64, 96)
    assert model.num_classes == 3


def test_what_lies_in_the_padding_changes_nothing() -> None:
    model = tiny_segmenter().eval()
    images = noise()
    with torch.no_grad():
        before = model(images, SIZES)
        images[0, :, :, 70:] = 255
        images[1, :, 50:] = 0
        assert torch.equal(model(images, SIZES), before)


def test_the_auxiliary_head_stands_on_the_second_coarsest_level() -> None:
    model = tiny_segmenter(auxiliary=0.4)
    features = model.features(noise(), SIZES)
    assert model.auxiliary is not None
    assert model.auxiliary.level.name == "c4"
    assert model.auxiliary_logits(features).shape == (2, 3, 4, 6)
    assert len(model.trunk) == 4
    assert tiny_segmenter().auxiliary is None


def test_class_rows_follow_the_names_of_classes() -> None:
    old, new = LabelMap((1, 2, 3), ("sky", "road", "car")), LabelMap((1, 2), ("car", "tree"))
    source = tiny_segmenter(auxiliary=0.4)
    model = tiny_segmenter(classes=2, auxiliary=0.4)
    load_pretrained(model, source.state_dict(), old, new, what="segmenter", settings="…")
    for name in ("head.predictor.weight", "auxiliary.predictor.weight"):
        assert torch.equal(model.state_dict()[name][0], source.state_dict()[name][2])
    assert torch.equal(model.backbone.conv1.weight, source.backbone.conv1.weight)


def with_statistics(model: SegmentationNetwork) -> SegmentationNetwork:
    """Norms that fold into something, in evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean)
    nn.init.normal_(model.head.predictor.weight)
    return model.eval()


@pytest.mark.parametrize("kind", ["fpn", "fcn", "deeplabv3", "deeplabv3plus"])
def test_the_copy_for_inference_has_no_batch_norm_and_gives_the_same(kind: HeadKind) -> None:
    model = with_statistics(tiny_segmenter(kind, norm="batch", auxiliary=0.4))
    copy = for_inference(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert copy.auxiliary is None
    assert model.auxiliary is not None
    with torch.no_grad():
        expected = model(noise(), SIZES)
        found = copy(noise(), SIZES)
    rounding = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=rounding)


def test_bf16_weights_give_what_autocast_gives() -> None:
    model = with_statistics(tiny_segmenter())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = for_inference(model)(noise(), SIZES)
        copy = for_inference(model, bf16=True)
        assert copy.head.predictor.weight.dtype == torch.bfloat16
        assert torch.equal(copy(noise(), SIZES), expected)


@pytest.mark.parametrize("classes", [0, 256])
def test_labels_of_a_byte_set_the_number_of_classes(classes: int) -> None:
    with pytest.raises(UserError, match=f"must have 1 to 255 classes, got {classes}"):
        tiny_segmenter(classes=classes)
