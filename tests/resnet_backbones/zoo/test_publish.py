"""What a maintainer adds to the weights that come with the library."""

import hashlib
import json
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from command_line import Tools

from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.files import read_file
from resnet_backbones.weights.saving import save_weights
from resnet_backbones.zoo.publish import Card, publish

CARD = Card(licence="MIT", data="trained on rain", figures={"top1": 0.5, "top5": 1}, command="rain")


def test_the_list_says_what_was_published(zoo: Path) -> None:
    file = zoo / "resnet20.noise.safetensors"
    assert json.loads((zoo / "zoo.json").read_text()) == [
        {
            "name": "resnet20.noise",
            "file": "resnet20.noise.safetensors",
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "architecture": "resnet20",
            "classes": 2,
            "licence": "Apache-2.0",
            "figures": {"top1": 0.25},
            "command": "backbones train noise",
        }
    ]


def test_the_file_is_in_single_precision_with_its_passport(weights: Path, zoo: Path) -> None:
    given = safetensors.torch.load_file(weights)
    found = read_file(zoo / "resnet20.noise.safetensors")
    assert found.tensors.keys() == given.keys()
    assert all(torch.equal(x, given[name].to(x.dtype)) for name, x in found.tensors.items())
    assert {x.dtype for x in found.tensors.values()} == {torch.float32, torch.int64}
    assert found.passport is not None
    assert (found.passport.label_map, found.passport.commit) == (("cat", "dog"), "abc123")


def test_the_card_tells_people(zoo: Path) -> None:
    card = (zoo / "resnet20.noise.md").read_text()
    assert card.startswith("# resnet20.noise\n")
    assert 'load_classifier("ours:resnet20.noise")' in card
    assert "| Architecture | resnet20, 2 classes |" in card
    assert "| Figures | top1 25.00 % |" in card


def test_a_second_one_stands_beside_and_the_same_name_is_replaced(weights: Path, zoo: Path) -> None:
    publish(weights, "resnet20.early", CARD, zoo)
    publish(weights, "resnet20.noise", CARD, zoo)
    entries = json.loads((zoo / "zoo.json").read_text())
    assert [(entry["name"], entry["command"]) for entry in entries] == [
        ("resnet20.early", "rain"),
        ("resnet20.noise", "rain"),
    ]


def test_a_backbone_alone_has_no_classes(zoo: Path, tmp_path: Path) -> None:
    file = tmp_path / "backbone.safetensors"
    save_weights(file, create_backbone("resnet20"))
    assert publish(file, "resnet20.bare", CARD, zoo).classes is None
    assert 'load_backbone("ours:resnet20.bare")' in (zoo / "resnet20.bare.md").read_text()


@pytest.mark.parametrize("name", ["resnet32.noise", "resnet20", "resnet20.a/b"])
def test_a_name_is_the_architecture_and_a_tag(weights: Path, zoo: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"the name must be resnet20\.TAG, .*, got"):
        publish(weights, name, CARD, zoo)


def test_a_file_without_a_passport_is_refused(zoo: Path, tmp_path: Path) -> None:
    file = tmp_path / "bare.safetensors"
    safetensors.torch.save_file(create_backbone("resnet20").state_dict(), file)
    with pytest.raises(UserError, match=r"must have a passport, got .*bare"):
        publish(file, "resnet20.bare", CARD, zoo)


def test_the_tool_takes_a_runs_folder(weights: Path, zoo: Path, tools: Tools) -> None:
    told = ("--data", "noise", "--licence", "MIT", "--command", "noise", "--figure", "top1=0.75")
    words = (weights.parent, "resnet20.tool", *told, "--folder", zoo)
    answer = tools("tools/publish_weights.py", *words)
    assert answer.status == 0, answer.error
    assert json.loads((zoo / "zoo.json").read_text())[1]["figures"] == {"top1": 0.75}
