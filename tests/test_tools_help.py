"""Every tool can be started and answers `--help` before anything heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = sorted((ROOT / "tools").glob("*.py"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_tool_is_executable(tool: Path) -> None:
    assert tool.read_text().startswith("#!/usr/bin/env python3\n")
    assert os.access(tool, os.X_OK), f"chmod +x {tool.relative_to(ROOT)}"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_is_answered_without_torch(tool: Path) -> None:
    command = [sys.executable, "-X", "importtime", str(tool), "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert tool.name in answer.stdout
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "argparse" in imported  # the list of imports was really seen
    assert {"torch", "torchvision", "timm"} & imported == set()
