"""Weights that come with the library: by name, and never others than those that were published."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from command_line import Commands
from torch import nn

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.from_file import load_backbone, load_classifier
from resnet_backbones.registry import create_backbone
from resnet_backbones.zoo import catalogue
from resnet_backbones.zoo.catalogue import find_weights, list_weights, published_file

NAME = "ours:resnet20.noise"
LOADERS = {
    "create_backbone": lambda: create_backbone("resnet20", weights=NAME),
    "load_backbone": lambda: load_backbone(NAME),
    "create_classifier": lambda: (
        create_classifier("resnet20", num_classes=2, weights=NAME).backbone
    ),
    "load_classifier": lambda: load_classifier(NAME).backbone,
}


def test_the_librarys_own_files_are_those_of_its_list() -> None:
    entries = list_weights()
    names = {entry.name for entry in entries}
    kept = {path.stem for path in catalogue.FOLDER.iterdir() if path.suffix == ".safetensors"}
    told = {path.stem for path in catalogue.FOLDER.iterdir() if path.suffix == ".md"}
    assert kept == told == names
    for entry in entries:
        published_file(f"ours:{entry.name}")  # UserError where it is not what was published


@pytest.mark.parametrize("loader", LOADERS)
def test_a_name_is_loaded_by_every_door(zoo: Path, loader: str) -> None:
    backbone: nn.Module = LOADERS[loader]()
    saved = safetensors.torch.load_file(zoo / "resnet20.noise.safetensors")
    assert all(torch.equal(x, saved[name]) for name, x in backbone.state_dict().items())
    assert backbone.passport.mean == (0.1, 0.2, 0.3)
    assert (backbone.passport.source, backbone.report.source) == (NAME, NAME)


def test_a_wrong_name_is_answered_with_all_and_the_nearest(zoo: Path) -> None:
    message = r"must be ours:resnet20\.noise, got 'ours:resnet20\.nois'; did you mean ours:resnet20"
    with pytest.raises(UserError, match=message):
        create_backbone("resnet20", weights="ours:resnet20.nois")


def test_where_there_are_none_a_name_is_answered_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo.json").write_text("[]")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="as none come with this version, got 'ours:resnet20'"):
        find_weights("ours:resnet20")


@pytest.mark.parametrize("kind", ["altered", "gone"])
def test_a_file_that_is_not_what_was_published_is_refused(zoo: Path, kind: str) -> None:
    path = zoo / "resnet20.noise.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    if kind == "altered":
        path.write_bytes(content)
    seen = "[0-9a-f]{64}" if kind == "altered" else "no file"
    message = rf"with SHA-256 [0-9a-f]{{64}}, got {seen}; install resnet-backbones again"
    with pytest.raises(UserError, match=message):
        load_backbone(NAME)


def test_the_command_describes_them(zoo: Path, commands: Commands) -> None:
    lines = commands("describe", NAME).output.splitlines()
    facts = {line[:15].strip(): line[15:] for line in lines}
    assert facts["figures"] == "top1 25.00 %"
    assert facts["trained by"] == "backbones train noise"
    assert facts["load with"] == f"resnet_backbones.load_classifier('{NAME}')"
    answer = commands("describe", "ours:resnet21.noise")
    assert (answer.status, "did you mean ours:resnet20.noise" in answer.error) == (2, True)


@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_the_classes_are_those_of_the_weights_unless_others_are_asked_for(name: str) -> None:
    weights = f"ours:{name}.cifar10"
    assert create_classifier(name, weights=weights).num_classes == 10
    assert create_classifier(name, weights=weights, head="new").num_classes == 1000
    with pytest.raises(UserError, match="use num_classes=10"):
        create_classifier(name, weights=weights, num_classes=1000)
