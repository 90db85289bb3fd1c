"""Weights that are not whole: refused, or on request loaded with a warning that names what is
not there.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.dialects import from_torchvision
from resnet_backbones.weights.loading import load_weights
from resnet_backbones.weights.report import PartialWeightsWarning, WeightReport

State = dict[str, Tensor]
CREATE = {
    "backbone": lambda weights, **options: create_backbone("resnet20", weights=weights, **options),
    "classifier": lambda weights, **options: (
        create_classifier("resnet20", num_classes=10, weights=weights, **options).backbone
    ),
}


@pytest.fixture(scope="module")
def state() -> State:
    """A whole resnet20 with 10 classes."""
    torch.manual_seed(2)
    return create_classifier("resnet20", num_classes=10).state_dict()


def _missing(state: State) -> State:
    return {name: x for name, x in state.items() if name != "layer2.1.conv2.weight"}


def _wrong_shape(state: State) -> State:
    return state | {"layer2.1.conv2.weight": torch.zeros(32, 32, 1, 1)}


def _not_finite(value: float) -> Callable[[State], State]:
    def spoil(state: State) -> State:
        spoilt = state["layer2.1.conv2.weight"].clone()
        spoilt[3, 2, 1, 0] = value
        return state | {"layer2.1.conv2.weight": spoilt}

    return spoil


FAULTS = [
    (_missing, "1 missing: layer2.1.conv2.weight"),
    (
        _wrong_shape,
        "1 wrong shape: layer2.1.conv2.weight: file (32, 32, 1, 1), backbone (32, 32, 3, 3)",
    ),
    (_not_finite(float("nan")), "1 not finite: layer2.1.conv2.weight"),
    (_not_finite(float("-inf")), "1 not finite: layer2.1.conv2.weight"),
]


@pytest.mark.parametrize("create", CREATE.values(), ids=CREATE)
@pytest.mark.parametrize(("spoil", "fault"), FAULTS)
def test_one_tensor_amiss_is_refused_by_name(
    state: State, tmp_path: Path, create: Callable[..., Backbone], spoil: object, fault: str
) -> None:
    path = tmp_path / "file.pth"
    torch.save(spoil(state), path)
    with pytest.raises(UserError) as caught:
        create(str(path))
    text = str(caught.value)
    assert f"must hold the {len(_needed(state))} tensors that resnet20 needs" in text
    assert fault in text
    assert "strict=False" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("create", CREATE.values(), ids=CREATE)
@pytest.mark.parametrize(("spoil", "fault"), FAULTS)
def test_the_rest_is_loaded_on_request_with_a_warning(
    state: State, tmp_path: Path, create: Callable[..., Backbone], spoil: object, fault: str
) -> None:
    path = tmp_path / "file.pth"
    torch.save(spoil(state), path)
    with pytest.warns(PartialWeightsWarning) as caught:
        backbone = create(str(path), strict=False)
    assert fault in str(caught[0].message)
    loaded = backbone.state_dict()
    different = [name for name in _needed(state) if not loaded[name].equal(state[name])]
    assert different == ["layer2.1.conv2.weight"]
    assert loaded["layer2.1.conv2.weight"].isfinite().all()
    assert backbone.report.random == ("layer2.1.conv2.weight",)
    first, second = str(backbone.report).splitlines()[:2]
    assert first.endswith(f"random: 1 of {len(_needed(state))} tensors")
    assert second.strip() == f"{len(_needed(state)) - 1} of {len(_needed(state))} tensors matched"


def _needed(state: State) -> list[str]:
    return [n for n in state if not n.startswith("fc.") and not n.endswith("num_batches_tracked")]


def test_ten_names_and_how_many_more_are_listed(state: State, tmp_path: Path) -> None:
    torch.save({n: x for n, x in state.items() if "layer3" not in n}, tmp_path / "file.pth")
    with pytest.raises(UserError) as caught:
        create_backbone("resnet20", weights=str(tmp_path / "file.pth"))
    lost = [name for name in _needed(state) if "layer3" in name]
    listed = f"{len(lost)} missing: {', '.join(lost[:10])} and {len(lost) - 10} more;"
    assert listed in str(caught.value)


def test_a_tensor_of_another_network_is_refused_or_warned_of(state: State, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(state | {"layer1.3.conv1.weight": torch.zeros(16, 16, 3, 3)}, path)
    with pytest.raises(UserError, match=r"1 not of this network: layer1\.3\.conv1\.weight"):
        create_backbone("resnet20", weights=str(path))
    with pytest.warns(PartialWeightsWarning, match=r"1 not of this network: layer1\.3\.conv1"):
        create_backbone("resnet20", weights=str(path), strict=False)


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_of_which_nothing_fits_is_refused(tmp_path: Path, strict: bool) -> None:
    path = tmp_path / "file.pth"
    torch.save({"encoder_q.conv1.weight": torch.zeros(16, 3, 3, 3)}, path)
    with pytest.raises(UserError, match=r"got 0; .*encoder_q\.conv1\.weight: .*--rename OLD=NEW"):
        create_backbone("resnet20", weights=str(path), strict=strict)


def test_counters_and_values_that_are_not_needed_may_be_anything(
    state: State, tmp_path: Path
) -> None:
    path = tmp_path / "file.pth"
    without = {name: x for name, x in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(without | {"fc.bias": torch.full((10,), float("nan"))}, path)
    assert not create_backbone("resnet20", weights=str(path)).report.random


@pytest.mark.parametrize(
    ("name", "levels"), [("vgg11_bn", ["c2"]), ("vgg11", ["c3"]), ("googlenet", ["c3"])]
)
def test_a_part_of_a_network_takes_a_whole_file(
    tmp_path: Path, name: str, levels: list[str]
) -> None:
    theirs = torchvision.models.get_model(name, init_weights=False)
    torch.save(theirs.state_dict(), tmp_path / "file.pth")
    backbone = create_backbone(name, weights=str(tmp_path / "file.pth"), levels=levels)
    assert not backbone.report.random
    state = theirs.state_dict()
    assert all(tensor.equal(state[key]) for key, tensor in backbone.state_dict().items())


def test_a_bias_before_a_norm_is_a_smaller_mean(tmp_path: Path) -> None:
    """Detectron's R-50 has one in its stem."""
    trained = create_backbone("resnet50", levels=["c2"], stride_in="1x1")
    state = {n: x for n, x in trained.state_dict().items() if not n.endswith("tracked")}
    bias = torch.randn(64)
    torch.save(
        {"model": from_torchvision(state | {"conv1.bias": bias}, "caffe2")}, tmp_path / "f.pth"
    )
    loaded = create_backbone(
        "resnet50", weights=str(tmp_path / "f.pth"), levels=["c2"], stride_in="1x1"
    )
    assert loaded.bn1.running_mean.equal(trained.bn1.running_mean - bias)
    assert not loaded.report.random


def test_loading_into_a_backbone_is_strict_too(state: State, tmp_path: Path) -> None:
    torch.save(_missing(state), tmp_path / "file.pth")
    backbone = create_backbone("resnet20")
    with pytest.raises(UserError, match="1 missing"):
        load_weights(backbone, str(tmp_path / "file.pth"))
    with pytest.warns(PartialWeightsWarning, match="1 missing"):
        report = load_weights(backbone, str(tmp_path / "file.pth"), strict=False)
    assert report.missing == ("layer2.1.conv2.weight",)


def test_a_report_names_first_what_is_random() -> None:
    report = WeightReport(
        source="FILE",
        matched=("a",),
        missing=("b",),
        unexpected=(),
        mismatched=(),
        head_new=("fc",),
    )
    assert str(report).splitlines() == [
        "weights FILE: random: head fc; 1 of 2 tensors",
        "  1 of 2 tensors matched",
        "  1 missing: b",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet20",
        "resnet18_cifar",
        "resnetv2_18",
        "resnetv2_20",
        "vgg11_bn",
        "googlenet",
    ],
)
def test_a_whole_file_serves_some_levels(name: str, tmp_path: Path) -> None:
    whole = create_classifier(name, num_classes=3)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    level = whole.backbone.levels[1].name
    part = create_backbone(name, levels=[level], weights=str(tmp_path / "whole.pth")).eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(part(images)[level], whole.backbone.eval()(images)[level])
