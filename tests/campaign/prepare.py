"""The parent that cases are forked from: everything is imported, and what they read is written."""

import importlib
import json
import sys
from collections.abc import Collection
from pathlib import Path

from campaign import bases, kills, ranks, upsets
from campaign.case import Case
from campaign.processes import call
from tasks.cli.main import main
from tasks.engine.timing import TIMED_ROUTES

MODULES = "modules.json"


def prepare(base: Path, cases: Collection[Case]) -> Path:
    """Write what the cases read, and import all that a training imports."""
    base.mkdir(parents=True)
    bases.write_bases(base)

    def train() -> int:
        status = main([str(word) for word in bases.run_words(base)])
        names = [name for name in sys.modules if name != "__main__"]
        (base / MODULES).write_text(json.dumps(names))
        return status

    ended = call(train, base, "first", seconds=240)
    assert ended.status == 0, ended.error
    for name in json.loads((base / MODULES).read_text()):
        if name not in sys.modules:
            _import(name)
    bases.finish_run(base)
    for route in TIMED_ROUTES.values():
        route.is_worth_it()  # once for all: two ways of equal value differ in the last bits
    kills.train_straight(base, upsets.tasks_of(cases))
    if any(case.kind == "ranks" for case in cases):
        ranks.train_straight_ranks(base)
    return base


def _import(name: str) -> None:
    """Import a module of another process; what was made there without a file stays there."""
    try:
        importlib.import_module(name)
    except ImportError:
        return
