"""The semantic FPN against smp's, and its own rules."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter
from tasks.vision.semantic.semantic_fpn import SemanticFPNHead
from tasks.vision.semantic.smp_names import from_smp
from tasks.vision.settings_semantic import SemanticHeadConfig, SemanticModelConfig

LEVELS = tuple(FeatureLevel(f"p{k}", 8, 2**k) for k in range(2, 6))
CLASSES = 5


def smp_pair(policy: str, **head: object) -> tuple[nn.Module, SegmentationNetwork]:
    """smp's FPN with random weights, and ours with the same, both in float64."""
    torch.manual_seed(0)
    theirs = smp.FPN(
        "resnet18",
        encoder_weights=None,
        classes=CLASSES,
        decoder_merge_policy=policy,
        decoder_dropout=0.0,
    )
    merge = "sum" if policy == "add" else "cat"
    settings = SemanticHeadConfig(smooth=False, upsample="bilinear_corners", merge=merge, **head)  # type: ignore[arg-type]
    ours = build_segmenter(SemanticModelConfig(backbone="resnet18", head=settings), CLASSES)
    ours.load_state_dict(from_smp(theirs.state_dict()))
    return theirs.double(), ours.double()


@pytest.mark.parametrize("policy", ["add", "cat"])
def test_smps_weights_give_smps_logits_and_gradients(policy: str) -> None:
    theirs, ours = smp_pair(policy)
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    wanted = theirs(images)
    found = ours.enlarge(ours.head(ours.pyramid(ours.backbone(images))), (64, 96))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    target = torch.randint(0, CLASSES, (2, 64, 96))
    for logits in (wanted, found):
        nn.functional.cross_entropy(logits, target).backward()
    gradients = from_smp({name: x.grad for name, x in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-7, msg=name)


def test_smps_weights_of_another_network_are_refused() -> None:
    with pytest.raises(UserError, match=r"smp's FPN on a ResNet, got a tensor named decoder\.x"):
        from_smp({"decoder.x": torch.zeros(1)})


def constant_head(**settings: object) -> SemanticFPNHead:
    """A head whose convolutions pass on the middle of the first channel, and whose predictor sums
    all channels.
    """
    config = SemanticHeadConfig(norm="none", channels=1, **settings)  # type: ignore[arg-type]
    head = SemanticFPNHead(LEVELS, 1, config)
    for name, parameter in head.named_parameters():
        nn.init.zeros_(parameter)
        if name.startswith("branches") and parameter.dim() == 4:
            parameter.data[:, :1, 1, 1] = 1
    nn.init.ones_(head.predictor.weight)
    return head


def maps_of(image: tuple[int, int], values: dict[str, float]) -> dict[str, Tensor]:
    """Constant maps of an image's size, rounded up as ResNets do."""
    height, width = image
    return {
        level.name: torch.full(
            (1, 8, -(-height // level.stride), -(-width // level.stride)), values[level.name]
        )
        for level in LEVELS
    }


@pytest.mark.parametrize("merge", ["sum", "cat"])
@pytest.mark.parametrize("image", [(64, 96), (70, 101), (3, 5)])
def test_logits_have_the_stride_4_maps_size_and_are_all_levels_sum(
    merge: str, image: tuple[int, int]
) -> None:
    values = {"p2": 1.0, "p3": 10.0, "p4": 100.0, "p5": 1000.0}
    logits = constant_head(merge=merge)(maps_of(image, values))
    height, width = -(-image[0] // 4), -(-image[1] // 4)
    torch.testing.assert_close(logits, torch.full((1, 1, height, width), 1111.0))


def test_a_level_has_one_block_for_each_doubling_up_to_stride_4() -> None:
    head = SemanticFPNHead(LEVELS, 3, SemanticHeadConfig(channels=16))
    assert [len(head.branches[level.name]) for level in LEVELS] == [1, 1, 2, 3]
    assert head.predictor.weight.shape == (3, 16, 1, 1)
    catted = SemanticFPNHead(LEVELS, 3, SemanticHeadConfig(channels=16, merge="cat"))
    assert catted.predictor.weight.shape == (3, 64, 1, 1)


def test_levels_of_a_dilated_backbone_are_joined_too() -> None:
    config = SemanticModelConfig(backbone="resnet18", output_stride=8)
    model = build_segmenter(config, 3)
    assert [level.stride for level in model.head.levels] == [4, 8, 8, 8]
    images = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    assert model(images, torch.tensor([[64, 96]])).shape == (1, 3, 16, 24)


def test_group_norm_has_fewer_groups_where_channels_are_fewer() -> None:
    head = SemanticFPNHead(LEVELS, 3, SemanticHeadConfig(channels=48))
    norms = [module for module in head.modules() if isinstance(module, nn.GroupNorm)]
    assert {norm.num_groups for norm in norms} == {8}


@pytest.mark.parametrize(
    ("backbone", "strides"), [("resnet20", "1, 2, 4"), ("resnet18_cifar", "1, 2, 4, 8")]
)
def test_backbones_for_small_images_are_refused_by_name(backbone: str, strides: str) -> None:
    message = rf"finest level has stride 4.*got {backbone} with levels of strides {strides}; set "
    with pytest.raises(UserError, match=message):
        build_segmenter(SemanticModelConfig(backbone=backbone), 3)
