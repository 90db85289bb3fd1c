"""Carry out what is left to be done of one training of a study: train, and score the full sets.

A process of its own, started by `trainings.py` with a Job as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common import machine
from tasks.cli.main import main
from tasks.engine.run_files import LAST
from tasks.files import write_text

MACHINE = "machine.json"
"""Of a run: what it was carried out on."""
SCORES = "evaluation.json"
"""Of a folder in which a full set was scored."""


@dataclass(frozen=True)
class Job:
    """One training."""

    folder: str
    train: list[str] | None
    """Recipe and overrides; None where it was trained already."""
    full: dict[str, str]
    """Folders of the run, and archives of images that are scored there at the end."""

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def carry_out(job: Job) -> int:
    """Train and score; the status of the first that failed, or 0. Nothing is done twice."""
    folder = Path(job.folder)
    if job.train is not None:
        status = main(["train", *job.train])
        if status:
            return status
        facts = {name: text for name, text in machine().items() if name != "command"}
        write_text(folder / MACHINE, json.dumps(facts, indent=1) + "\n")
    for name, archive in job.full.items():
        if not (folder / name / SCORES).exists():
            words = ["eval", str(folder / LAST), f'data.val="{archive}"']
            status = main([*words, "--out", str(folder / name)])
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(carry_out(Job(**json.loads(sys.argv[1]))))
