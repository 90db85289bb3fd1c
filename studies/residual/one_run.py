"""Finish one training of a study: train, then score all training and test images.

Runs in a process of its own, which `trainings.py` starts with a Job as JSON.
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
"""File of a run that describes the machine."""
SCORES = "evaluation.json"
"""File that an evaluation writes into its folder."""


@dataclass(frozen=True)
class Job:
    """One training."""

    folder: str
    train: list[str] | None
    """Recipe and overrides; None if the run is trained already."""
    full: dict[str, str]
    """Archives to score at the end, by the subfolder that receives the scores."""

    def as_json(self) -> str:
        """The job as an argument of the command line."""
        return json.dumps(asdict(self))


def carry_out(job: Job) -> int:
    """Train and score what is not done yet; return the first exit status that is not 0, or 0."""
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
