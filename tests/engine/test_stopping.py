"""SIGTERM and SIGINT end a run from every state (fault_campaign 14, issue 15's eight states)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("stuck.py")
SAYS = {
    "reading": None,  # nothing to save, and nothing said
    "precision": None,
    "batch": "stopped after step 2; this continues:",
    "step": "stopped after step 3; this continues:",
    "evaluation": "stopped after step 5; this continues:",
    "saving": "not stopped within run.stop_within=1 seconds",
    "collective": "rank 0 of 2: not stopped within run.stop_within=1 seconds",
    "report": "stopped before the report was made",
}
SAVED = {"batch": 2, "step": 3, "evaluation": 5, "report": 5}
"""The step that last.pt is of; the others have none."""


def ends(folder: Path, number: int) -> dict[str, Any]:
    """How runs in every state end after a signal."""
    command = [sys.executable, str(SCRIPT), str(folder), str(int(number)), *SAYS]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("stuck")
    return folder, ends(folder, signal.SIGTERM)


def saved_step(run: Path) -> int | None:
    last = run / "last.pt"
    return read_checkpoint(last).step if last.exists() else None


@pytest.mark.parametrize("state", SAYS)
def test_sigterm_ends_a_run_in_every_state(ended: tuple[Path, dict[str, Any]], state: str) -> None:
    folder, found = ended
    end = found[state]
    said = SAYS[state]
    assert end["seconds"] < 30
    assert end["status"] == (-signal.SIGTERM if said is None else 128 + signal.SIGTERM)
    assert said is None or said in end["printed"]
    assert saved_step(folder / state / "run") == SAVED.get(state)


@pytest.mark.slow
def test_sigint_ends_a_run_in_every_state(tmp_path: Path) -> None:
    found = ends(tmp_path, signal.SIGINT)
    assert {state: end["seconds"] < 30 for state, end in found.items()} == dict.fromkeys(SAYS, True)
    assert {state: saved_step(tmp_path / state / "run") for state in SAVED} == SAVED
