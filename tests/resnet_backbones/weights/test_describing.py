"""What `backbones describe FILE` says."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import torchvision
from command_line import Commands

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.weights.describing import describe_file
from resnet_backbones.weights.saving import save_weights


def test_a_passport_is_told_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    network = create_classifier(
        "resnet20", num_classes=2, options=CifarOptions(shortcut="A_centred")
    )
    stated = {"source": "scratch", "recipe": "r20", "licence": "MIT", "label_map": ("cat", "dog")}
    sizes = {"resize_size": 40, "crop_size": 32, "interpolation": "bilinear"}
    passport = replace(network.backbone.passport, **stated, **sizes, extra={"mood": "blue"})
    save_weights(path, network.state_dict(), passport, commit="abc123")
    with pytest.warns(UserWarning, match="mood"):
        facts = describe_file(path).facts
    assert facts == {
        "file": path,
        "passport": "in the file",
        "architecture": "resnet20",
        "input": "RGB in 0–1, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)",
        "test images": "shorter side 40, crop 32, bilinear",
        "stride in": "3x3 convolution",
        "pool": "padded",
        "options": {"shortcut": "A_centred"},
        "norm eps": 1e-5,
        "source": "scratch",
        "recipe": "r20",
        "licence": "MIT",
        "named classes": 2,
        "written by": f"resnet-backbones {version('resnet-backbones')}",
        "commit": "abc123",
        "unknown fields": {"mood": "blue"},
        "classes": 2,
        "load with": f"resnet_backbones.load_classifier({path!r})",
        "content hash": "verified",
        "tensors": len(network.state_dict()),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def test_a_backbone_is_loaded_as_one(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    save_weights(path, create_backbone("resnet20"))
    facts = describe_file(path).facts
    assert facts["load with"] == f"resnet_backbones.load_backbone({path!r})"
    assert "classes" not in facts


def test_a_file_without_a_passport_is_recognised(tmp_path: Path) -> None:
    path = str(tmp_path / "file.pth")
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), path)
    facts = describe_file(path).facts
    assert facts["passport"] == "assumed from the tensors"
    assert (facts["architecture"], facts["classes"]) == ("resnet18", 7)
    assert facts["content hash"] == "none in the file"
    assert facts["load with"] == f"resnet_backbones.load_classifier({path!r})"


def test_candidates_and_strangers_are_told(tmp_path: Path) -> None:
    path = str(tmp_path / "file.pth")
    torch.save(create_backbone("resnet20").state_dict(), path)
    assert "plain20 have; give name=" in describe_file(path).facts["load with"]
    torch.save({"a.weight": torch.zeros(2, 3)}, path)
    facts = describe_file(path).facts
    assert "got a.weight" in facts["load with"]
    assert (facts["tensors"], facts["parameters"]) == (1, 6)


def test_a_network_of_a_later_version_is_told_with_its_passport(tmp_path: Path) -> None:
    path = str(tmp_path / "file.safetensors")
    network = create_backbone("resnet20")
    save_weights(path, network.state_dict(), replace(network.passport, architecture="resnet99"))
    facts = describe_file(path).facts
    assert (facts["passport"], facts["architecture"]) == ("in the file", "resnet99")
    assert "backbone must be" in facts["load with"]


def test_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_weights(path, create_backbone("resnet20"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged or altered"):
        describe_file(str(path))


def test_the_command_takes_files_and_names(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_weights(path, create_backbone("resnet20"))
    answer = commands("describe", path)
    assert f"load with     resnet_backbones.load_backbone('{path}')" in answer.output
    assert json.loads(commands("describe", path, "--json").output)["architecture"] == "resnet20"
    assert "MAC" in commands("describe", "resnet20").output
    missing = commands("describe", tmp_path / "no.pth")
    assert (missing.status, "FILE must be an existing file" in missing.error) == (2, True)
    assert "apply to a NAME" in commands("describe", path, "--size", "32").error
