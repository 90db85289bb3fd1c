"""What is installed and what an import brings along."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_package_list_equals_the_packages_in_the_tree() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        file.parent
        for name in ("resnet_backbones", "tasks")
        for file in (ROOT / name).rglob("*.py")
    }
    recipes = "tasks.configs"  # YAML files of configs/
    found = [".".join(folder.relative_to(ROOT).parts) for folder in folders]
    assert sorted(listed) == sorted([*found, recipes])
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


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
