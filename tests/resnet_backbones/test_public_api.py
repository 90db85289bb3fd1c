"""The public surface and what importing it costs."""

import importlib.metadata as metadata
import subprocess
import sys

import resnet_backbones
from resnet_backbones import weights


def _modules_after(code: str) -> set[str]:
    script = (
        f"import sys\n{code}\nprint('\\n'.join(name.partition('.')[0] for name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_public_names_are_sorted_and_importable() -> None:
    names = resnet_backbones.__all__
    assert names == sorted(names)
    assert resnet_backbones.__version__ == metadata.version("resnet-backbones")
    for name in names:
        if name == "__version__":
            continue
        assert getattr(resnet_backbones, name).__name__ == name


def test_weights_names_are_sorted_and_importable() -> None:
    names = weights.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(weights, name).__name__ == name
    assert set(names) <= set(dir(weights))


def test_names_are_known_without_torch() -> None:
    code = (
        "import resnet_backbones\nassert 'resnet18' in"
        " resnet_backbones.list_backbones()\ndir(resnet_backbones)"
    )
    assert "torch" not in _modules_after(code)


def test_a_forward_pass_needs_neither_torchvision_nor_timm_nor_tasks() -> None:
    code = (
        "import torch, resnet_backbones\n"
        "import resnet_backbones.weights.loading\n"
        "resnet_backbones.create_backbone('resnet18', levels=['c1'])(torch.zeros(1, 3, 32, 32))"
    )
    assert not _modules_after(code) & {"torchvision", "timm", "tasks"}
