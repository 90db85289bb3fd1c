"""The parent that cases are forked from: everything is imported, and what they read is written."""

from collections.abc import Collection
from dataclasses import fields
from importlib import import_module
from pathlib import Path

from campaign import bases, kills, ranks, upsets
from campaign.case import Case
from campaign.processes import command
from tasks.cli.registry import TASKS, Lazy
from tasks.engine.timing import TIMED_ROUTES

LATE = (
    "albumentations",
    "hotcoco",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "pycocotools.cocoeval",
    "timm",
    "torch.utils.tensorboard",
)
"""What the product imports inside functions, which each child would do anew."""


def prepare(base: Path, cases: Collection[Case]) -> Path:
    """Import what a training imports, and write what the cases read."""
    _import_all()
    for route in TIMED_ROUTES.values():
        route.is_worth_it()  # once for all: two ways of equal value differ in the last bits
    base.mkdir(parents=True)
    bases.write_bases(base)
    bases.must(command(bases.run_words(base), base))
    bases.finish_run(base)
    kills.train_straight(base, upsets.tasks_of(cases))
    if any(case.kind == "ranks" for case in cases):
        ranks.train_straight_ranks(base)
    return base


def _import_all() -> None:
    for name in LATE:
        import_module(name)
    for task in TASKS.values():
        for field in fields(task):
            value = getattr(task, field.name)
            if isinstance(value, Lazy):
                value.load()
