"""What is installed and what an import brings along."""

import importlib
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from tasks.cli.endings import TRAIN_EXTRA
from tasks.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
"""What distributions are imported as, where that is not their name."""


def test_package_list_equals_the_packages_in_the_tree() -> None:
    listed = PROJECT["tool"]["setuptools"]["packages"]
    folders = {
        file.parent
        for name in ("resnet_backbones", "tasks")
        for file in (ROOT / name).rglob("*.py")
    }
    recipes = "tasks.configs"  # YAML files of configs/
    found = [".".join(folder.relative_to(ROOT).parts) for folder in folders]
    assert sorted(listed) == sorted([*found, recipes])
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_what_the_published_weights_consist_of_is_installed() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["resnet_backbones.zoo"]
    files = {path.name for path in (ROOT / "resnet_backbones" / "zoo").iterdir() if path.is_file()}
    taken = {name for name in files if any(fnmatch(name, pattern) for pattern in patterns)}
    assert {name for name in files - taken if not name.endswith(".py")} == set()
    assert "zoo.json" in taken


def test_using_a_backbone_imports_neither_torchvision_nor_timm_nor_tasks() -> None:
    code = "import sys, resnet_backbones as r; r.create_backbone('resnet18'); print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert {"torchvision", "timm", "tasks"} & {
        module.split(".")[0] for module in output.split()
    } == set()


def test_constraints_hold_exact_versions_only() -> None:
    for name in ("constraints.txt", "constraints-oldest.txt"):
        lines = [
            line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")
        ]
        assert [
            line for line in lines if len(line.split("==")) != 2 or set(line) & set("@/ ;")
        ] == [], name


def requirements(extra: str) -> dict[str, str]:
    """Names and lowest versions of an extra."""
    texts = PROJECT["project"]["optional-dependencies"][extra]
    pairs = [re.fullmatch(r"([\w-]+)>=([\d.]+)(,<[\d.]+)?", text) for text in texts]
    assert all(pairs)
    return {pair[1]: pair[2] for pair in pairs if pair is not None}


def pinned(file: str) -> dict[str, str]:
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_the_lowest_versions_are_tested_and_all_are_pinned() -> None:
    train = requirements("train")
    assert train.keys() <= pinned("constraints.txt").keys()
    oldest = pinned("constraints-oldest.txt")
    for name, version in train.items():
        assert oldest[name].startswith(version), name


def test_a_missing_module_of_the_extra_is_recognised() -> None:
    assert {MODULES.get(name, name) for name in requirements("train")} == TRAIN_EXTRA


def test_the_command_is_the_one_that_is_installed() -> None:
    module, _, name = PROJECT["project"]["scripts"]["backbones"].partition(":")
    assert getattr(importlib.import_module(module), name) is main
