"""Other people's tools on backbones: LoRA, Grad-CAM, counters of FLOPs, offloading."""

import copy

import pytest
import torch
from torch import Tensor, nn

from resnet_backbones.analysis.complexity import measure
from resnet_backbones.classifier import Classifier, create_classifier
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec

STAGES = {"resnet18": "layer4", "resnetv2_18": "stages", "vgg11_bn": "features"}
LAST = {
    "resnet18": ["layer4.0.conv1", "layer4.1.conv2"],
    "resnetv2_20": ["layer3.0.conv1", "layer3.2.conv2"],
    "googlenet": ["inception5b.branch1.conv"],
}
PLAIN = ("resnet18", "resnet50", "vgg11_bn", "googlenet", "resnet20", "resnetv2_20")


def images(size: int = 64) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", ["batch", "frozen"])
@pytest.mark.parametrize("name", LAST)
def test_lora_trains_evaluates_and_merges(name: str, norm: str) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    backbone = build(BackboneSpec(name, pretrained=norm == "frozen", freeze_through=None))
    original = copy.deepcopy(backbone)
    config = peft.LoraConfig(target_modules=LAST[name], r=2, init_lora_weights=False)
    model = peft.get_peft_model(backbone, config)
    coarsest = backbone.levels[-1].name

    model.train()
    model(images())[coarsest].sum().backward()
    trained = [path for path, parameter in model.named_parameters() if parameter.grad is not None]
    assert trained
    assert all("lora_" in path for path in trained)

    model.eval()
    found = model(images())[coarsest]
    assert not torch.allclose(found, original.eval()(images())[coarsest], rtol=1e-2, atol=0)
    merged = model.merge_and_unload().eval()
    again = merged(images())[coarsest]
    torch.testing.assert_close(again, found, rtol=0, atol=1e-4 * found.abs().max().item())


@pytest.mark.parametrize("name", STAGES)
def test_grad_cam_sees_a_stage(name: str) -> None:
    grad_cam = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    torch.manual_seed(0)
    classifier = Classifier(build(BackboneSpec(name)), 5).eval()
    stage = classifier.backbone.get_submodule(STAGES[name])
    with grad_cam.GradCAM(model=classifier, target_layers=[stage]) as cam:
        maps = cam(input_tensor=images(), targets=[targets.ClassifierOutputTarget(1)] * 2)
    assert maps.shape == (2, 64, 64)
    assert maps.max() > 0


@pytest.mark.parametrize("name", PLAIN)
def test_counters_agree_with_describe(name: str) -> None:
    """Multiply-adds of convolutions and linear layers; norms and pooling are counted apart, as the
    tools differ on them.
    """
    torchinfo = pytest.importorskip("torchinfo")
    fvcore = pytest.importorskip("fvcore.nn")
    thop = pytest.importorskip("thop")
    size = 32 if name in ("resnet20", "resnetv2_20") else 224
    expected = measure(name, size=size, num_classes=10).total
    classifier = create_classifier(name, num_classes=10).eval()
    image = torch.randn(1, 3, size, size)

    analysis = fvcore.FlopCountAnalysis(classifier, image)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counted = analysis.by_operator()
    assert counted["conv"] + counted["linear"] == expected.macs

    summary = torchinfo.summary(copy.deepcopy(classifier), input_data=image, verbose=0)
    layers = [
        info for info in summary.summary_list if isinstance(info.module, nn.Conv2d | nn.Linear)
    ]
    # torchinfo counts a bias as a multiply-add of every cell
    biases = sum(
        info.module.bias.numel() * torch.Size(info.output_size[2:]).numel()
        for info in layers
        if isinstance(info.module, nn.Conv2d) and info.module.bias is not None
    )
    macs = sum(info.macs for info in layers)
    heads = [info.module.bias.numel() for info in layers if isinstance(info.module, nn.Linear)]
    assert macs - biases - sum(heads) == expected.macs

    ignored = {
        kind: lambda *_: None
        for kind in (nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    }
    macs, parameters = thop.profile(
        copy.deepcopy(classifier), inputs=(image,), custom_ops=ignored, verbose=False
    )
    assert macs == expected.macs
    assert parameters == expected.parameters


@pytest.mark.parametrize("norm", ["batch", "frozen"])
@pytest.mark.parametrize("name", ["resnet18", "resnetv2_18", "vgg11_bn", "googlenet"])
def test_weights_are_offloaded(name: str, norm: str) -> None:
    accelerate = pytest.importorskip("accelerate")
    torch.manual_seed(0)
    backbone = build(BackboneSpec(name, pretrained=norm == "frozen")).eval()
    expected = backbone(images())
    offloaded = accelerate.cpu_offload(copy.deepcopy(backbone), execution_device="cpu")
    assert {parameter.device.type for parameter in offloaded.parameters()} == {"meta"}
    with torch.no_grad():
        for level, x in offloaded(images()).items():
            torch.testing.assert_close(x, expected[level], rtol=1e-4, atol=1e-4)
