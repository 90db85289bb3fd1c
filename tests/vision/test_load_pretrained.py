from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_detector import TINY, tiny_detector
from torch import Tensor, nn

from resnet_backbones.classifier import Classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from tasks.detection.build import CONFIGURE
from tasks.labels import LabelMap
from tasks.vision.class_rows import ClassRows
from tasks.vision.load_pretrained import HasClassRows, LoadReport, load_pretrained

OLD = LabelMap((1, 2, 3), ("cat", "dog", "bird"))
NEW = LabelMap((10, 20), ("bird", "horse"))


def load(model: HasClassRows, state: dict[str, Tensor]) -> LoadReport:
    return load_pretrained(model, state, OLD, NEW, what="detector", settings=CONFIGURE)


def test_classes_of_the_same_name_keep_their_rows() -> None:
    source = tiny_detector(classes=3)
    torch.nn.init.normal_(source.box_head.classes.bias)
    model = tiny_detector(classes=2)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    state = source.state_dict()
    report = load(model, state)
    now = model.state_dict()
    assert report.kept == ("bird",)
    assert report.new == ("horse",)
    for name in ("box_head.classes.weight", "box_head.classes.bias"):
        assert torch.equal(now[name][0], state[name][2]), "bird"
        assert torch.equal(now[name][1], fresh[name][1]), "horse starts anew"
        assert torch.equal(now[name][2], state[name][3]), "background"
    assert torch.equal(now["box_head.offsets.weight"][:4], state["box_head.offsets.weight"][8:12])
    assert torch.equal(now["box_head.offsets.weight"][4:], fresh["box_head.offsets.weight"][4:])
    assert torch.equal(now["rpn.conv.weight"], state["rpn.conv.weight"])
    assert str(report).startswith("detector weights: ")
    assert "1 classes keep their predictor (bird)" in str(report)


def test_another_architecture_is_refused_with_the_tensors() -> None:
    state = tiny_detector(classes=3).state_dict()
    model = tiny_detector(replace(TINY, pyramid_channels=32), classes=2)
    with pytest.raises(UserError, match=r"another architecture.*pyramid\.lateral\.c2\.weight"):
        load(model, state)


def test_another_number_of_anchors_is_refused_with_the_setting_that_says_it() -> None:
    state = tiny_detector(classes=3).state_dict()
    anchors = replace(TINY.anchors, ratios=(0.5, 2.0))
    model = tiny_detector(replace(TINY, anchors=anchors), classes=2)
    message = r"4 tensors do not fit: rpn\.objectness\.weight.*; set .*model\.anchors\.ratios"
    with pytest.raises(UserError, match=message):
        load(model, state)


def test_tensors_with_rows_for_each_class_are_the_predictors() -> None:
    """A detector of one class more has more rows in these, and in nothing else."""
    model = tiny_detector(classes=3)
    larger = tiny_detector(classes=4).state_dict()
    grown = {
        name: len(larger[name]) - len(tensor)
        for name, tensor in model.state_dict().items()
        if tensor.shape != larger[name].shape
    }
    assert grown == {name: rows.per_class for name, rows in model.class_rows().items()}


class OneRowEach(nn.Module):
    """A detector of another kind: two rows for each class, and no background."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Linear(3, 3)
        self.logits = nn.Linear(3, 2 * classes)

    def class_rows(self) -> dict[str, ClassRows]:
        return {"logits.weight": ClassRows(2, "none"), "logits.bias": ClassRows(2, "none")}


def test_any_network_that_names_its_class_rows_is_started_from_another() -> None:
    source, model = OneRowEach(3), OneRowEach(2)
    state = source.state_dict()
    fresh = model.logits.bias.detach().clone()
    report = load(model, state)
    assert report.loaded == 2
    assert torch.equal(model.trunk.weight, source.trunk.weight)
    assert torch.equal(model.logits.weight[:2], source.logits.weight[4:])
    assert torch.equal(model.logits.bias[2:], fresh[2:])


def test_predictors_that_are_missing_or_read_other_features_are_named() -> None:
    model, state = OneRowEach(2), OneRowEach(3).state_dict()
    del state["logits.bias"]
    state["logits.weight"] = torch.zeros(6, 5)
    with pytest.raises(UserError, match=r"2 tensors do not fit: logits\.weight: \(6, 5\)"):
        load(model, state)


class NamedClassifier(Classifier):
    """A classifier whose head `fc` has a row for each class."""

    def class_rows(self) -> dict[str, ClassRows]:
        return {name: ClassRows(1, "none") for name in ("fc.weight", "fc.bias")}


def test_a_classifier_keeps_the_rows_of_its_head() -> None:
    source = NamedClassifier(create_backbone("resnet20"), 3)
    model = NamedClassifier(create_backbone("resnet20"), 2)
    fresh = model.head["fc"].weight.detach().clone()
    state = source.state_dict()
    report = load_pretrained(model, state, OLD, NEW, what="classifier", settings="ask")
    now = model.state_dict()
    assert torch.equal(now["fc.weight"][0], state["fc.weight"][2]), "bird"
    assert torch.equal(now["fc.weight"][1], fresh[1]), "horse starts anew"
    assert torch.equal(now["layer3.2.conv2.weight"], state["layer3.2.conv2.weight"])
    assert str(report).startswith("classifier weights: ")


def test_a_refusal_names_the_kind_of_network_and_ends_with_its_way_out() -> None:
    state = NamedClassifier(create_backbone("resnet20"), 3).state_dict()
    model = NamedClassifier(create_backbone("resnet32"), 2)
    message = r"model\.weights is a classifier of another architecture, .*; ask the cook$"
    with pytest.raises(UserError, match=message):
        load_pretrained(model, state, OLD, NEW, what="classifier", settings="ask the cook")


def test_what_is_left_over_of_the_other_network_is_said_first() -> None:
    """field_faults 17."""
    model = NamedClassifier(create_backbone("resnet20"), 3)
    state = {**model.state_dict(), "auxiliary.weight": torch.zeros(2)}
    report = load_pretrained(model, state, OLD, OLD, what="classifier", settings="ask")
    assert report.left_over == ("auxiliary.weight",)
    first = "classifier weights: 1 tensors are left over: auxiliary.weight; "
    assert str(report).startswith(first)


@pytest.mark.parametrize("name", ["rpn.conv.weight", "box_head.classes.bias"])
def test_values_that_are_not_finite_are_refused_by_name(name: str) -> None:
    """fault_campaign A2: the weights of a whole network, of which one value is no number."""
    state = tiny_detector(classes=3).state_dict()
    state[name] = state[name].clone()
    state[name][0] = float("nan")
    message = rf"must be a detector with finite values, but 1 of \d+ tensors are not: {name}; take"
    with pytest.raises(UserError, match=message):
        load(tiny_detector(classes=2), state)
