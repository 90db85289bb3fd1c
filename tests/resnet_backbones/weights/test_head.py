"""Heads of classifiers: loaded whole, or new on request, and never random in silence."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.weights.saving import save_weights

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """A whole resnet20 with 10 classes."""
    torch.manual_seed(2)
    return create_classifier("resnet20", num_classes=10).state_dict()


def test_a_loaded_head_is_told_and_not_left_over(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "file.pth")
    ours = create_classifier("resnet20", num_classes=10, weights=str(tmp_path / "file.pth"))
    assert ours.head["fc"].weight.equal(state["fc.weight"])
    report = ours.backbone.report
    assert (report.head_loaded, report.head_new, report.unexpected) == (("fc",), (), ())
    lines = str(report).splitlines()
    assert lines[0].endswith(f"{report.needed} of {report.needed} tensors matched")
    assert lines[1] == "  head: fc loaded"


def _renamed(state: State) -> State:
    return {name.replace("fc.", "cls."): tensor for name, tensor in state.items()}


def _absent(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def _hundred(state: State) -> State:
    return state | {"fc.weight": torch.zeros(100, 64), "fc.bias": torch.zeros(100)}


def _nan(state: State) -> State:
    return state | {"fc.bias": torch.full((10,), float("nan"))}


def _half(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if name != "fc.bias"}


HEADS = [
    (_renamed, r"finite fc\.weight \(10, 64\), fc\.bias \(10,\), got cls\.weight \(10, 64\), cls"),
    (_absent, r"finite fc\.weight \(10, 64\), fc\.bias \(10,\), got none; use head='new'"),
    (_hundred, r"got fc\.weight \(100, 64\), .*; use num_classes=100, or head='new'"),
    (_nan, r"fc\.bias \(10,\), got fc\.bias \(10,\) with values not finite; use head='new'"),
    (_half, r"finite fc\.bias \(10,\), got fc\.weight \(10, 64\); use head='new'"),
]


@pytest.mark.parametrize(("change", "message"), HEADS)
def test_another_head_is_refused_or_new(
    state: State, tmp_path: Path, change: object, message: str
) -> None:
    path = tmp_path / "file.pth"
    torch.save(change(state), path)
    with pytest.raises(UserError, match=message):
        create_classifier("resnet20", num_classes=10, weights=str(path))
    new = create_classifier("resnet20", num_classes=10, weights=str(path), head="new")
    assert new.backbone.report.head_new == ("fc",)
    assert str(new.backbone.report).splitlines()[0].endswith("random: head fc")
    assert new.backbone.conv1.weight.equal(state["conv1.weight"])


def test_a_head_that_fits_is_new_on_request(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "file.pth")
    new = create_classifier(
        "resnet20", num_classes=10, weights=str(tmp_path / "file.pth"), head="new"
    )
    assert not new.head["fc"].weight.equal(state["fc.weight"])


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match="head must be load or new, got 'random'"):
        create_classifier("resnet20", head="random")


def test_a_head_of_timms_name_comes_back(tmp_path: Path) -> None:
    name = "resnetv2_18"
    trained = create_classifier(name, num_classes=3)
    state = {f"module.{key}": tensor for key, tensor in trained.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "file.pth")
    loaded = create_classifier(name, num_classes=3, weights=str(tmp_path / "file.pth"))
    assert all(x.equal(state[f"module.{key}"]) for key, x in loaded.state_dict().items())
    assert loaded.backbone.report.head_new == ()
    with pytest.raises(UserError, match="use num_classes=3, or head='new'"):
        create_classifier(name, num_classes=4, weights=str(tmp_path / "file.pth"))


@pytest.fixture(scope="module")
def googlenet() -> State:
    """Torchvision's, with both auxiliary heads."""
    return torchvision.models.googlenet(init_weights=False, num_classes=4).state_dict()


def test_auxiliary_heads_are_loaded_where_they_are(googlenet: State, tmp_path: Path) -> None:
    torch.save(googlenet, tmp_path / "file.pth")
    ours = create_classifier("googlenet", num_classes=4, weights=str(tmp_path / "file.pth"))
    assert ours.backbone.report.head_loaded == ("aux1", "aux2", "fc")
    assert ours.backbone.report.unexpected == ()
    assert all(ours.state_dict()[name].equal(tensor) for name, tensor in googlenet.items())


def test_auxiliary_heads_are_new_and_named_where_the_file_has_none(
    googlenet: State, tmp_path: Path
) -> None:
    path = tmp_path / "file.pth"
    torch.save({n: x for n, x in googlenet.items() if not n.startswith("aux2")}, path)
    ours = create_classifier("googlenet", num_classes=4, weights=str(path))
    assert ours.backbone.report.head_loaded == ("aux1", "fc")
    assert str(ours.backbone.report).splitlines()[0].endswith("random: head aux2")


def test_auxiliary_heads_of_another_shape_are_refused(googlenet: State, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(googlenet | {"aux1.fc1.weight": torch.zeros(7, 2048)}, path)
    with pytest.raises(UserError, match=r"got aux1\.fc1\.weight \(7, 2048\); use head='new'"):
        create_classifier("googlenet", num_classes=4, weights=str(path))
    new = create_classifier("googlenet", num_classes=4, weights=str(path), head="new")
    assert new.backbone.report.head_new == ("aux1", "aux2", "fc")


def test_a_head_of_another_size_takes_no_class_names(tmp_path: Path) -> None:
    trained = create_classifier("resnet20", num_classes=2)
    save_weights(tmp_path / "f.safetensors", trained.state_dict(), trained.backbone.passport)
    with pytest.raises(UserError, match="use num_classes=2, or head='new'"):
        create_classifier("resnet20", num_classes=3, weights=str(tmp_path / "f.safetensors"))
