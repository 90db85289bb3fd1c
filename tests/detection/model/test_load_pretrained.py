from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_detector import TINY, tiny_detector

from resnet_backbones.errors import UserError
from tasks.detection.model.load_pretrained import transfer
from tasks.labels import LabelMap

OLD = LabelMap((1, 2, 3), ("cat", "dog", "bird"))
NEW = LabelMap((10, 20), ("bird", "horse"))


def test_classes_of_the_same_name_keep_their_rows() -> None:
    source = tiny_detector(classes=3)
    torch.nn.init.normal_(source.box_head.classes.bias)
    model = tiny_detector(classes=2)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    state = source.state_dict()
    report = transfer(model, state, OLD, NEW)
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
    assert "1 classes keep their predictor (bird)" in str(report)


def test_another_architecture_is_refused_with_the_tensors() -> None:
    state = tiny_detector(classes=3).state_dict()
    model = tiny_detector(replace(TINY, pyramid_channels=32), classes=2)
    with pytest.raises(UserError, match=r"another architecture.*pyramid\.lateral\.c2\.weight"):
        transfer(model, state, OLD, NEW)
