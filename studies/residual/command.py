"""The command line of a study. Results are written after every training."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.common import ROOT
from resnet_backbones.errors import UserError
from studies.common import run_study, study_parser
from studies.residual.costs import list_runs
from studies.residual.curves import draw_curves
from studies.residual.one_run import MACHINE
from studies.residual.page import PAGE, write_page
from studies.residual.points import Point, read_points
from studies.residual.results import Conditions, Results, Trainings
from studies.residual.sections import study_section
from studies.residual.study import Plan, Run, Study, choose_networks
from studies.residual.subsets import StudyImages
from studies.residual.trainings import (
    StudyStopped,
    carry_out,
    is_finished,
    only_process,
    state_of,
)

OUT = "runs/studies"


def run_command(study: Study, description: str | None) -> None:
    """Run the command line of a study."""
    parser = shared_parser(description, tuple(study.budgets))
    _add_arguments(parser)
    run_study(lambda: _main(study, parser.parse_args()))


def shared_parser(description: str | None, budgets: Sequence[str]) -> argparse.ArgumentParser:
    """Make a parser with the options that every study has."""
    parser = study_parser(description)
    parser.add_argument("--budget", choices=tuple(budgets), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument(
        "--out", type=Path, default=Path(OUT), help=f"folder of the trainings (default: {OUT})"
    )
    parser.add_argument(
        "--page",
        type=Path,
        default=ROOT / "studies",
        metavar="FOLDER",
        help="folder of README.md and results/ (default: studies)",
    )
    return parser


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NETWORK",
        help="train this network alone; give it several times",
    )
    parser.add_argument("--seeds", type=int, help="trainings of each network")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="trainings beside one another, which share a GPU or the cores; their lines go to files"
        " (default: 1)",
    )
    parser.add_argument("--list", action="store_true", help="print the trainings, and do nothing")
    parser.add_argument(
        "--draw", action="store_true", help="write tables and curves of what there is, and no more"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings of all trainings"
    )


def read_plan(study: Study, given: argparse.Namespace) -> Plan:
    """Turn the command line into a plan; UserError for a wrong value."""
    budget = study.budgets[given.budget]
    for name in ("seeds", "jobs"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be >= 1, got {value}")
    return Plan(
        study=study,
        budget_name=given.budget,
        images=StudyImages(given.data, given.out / "images"),
        out=given.out,
        seeds=given.seeds or budget.seeds,
        networks=choose_networks(budget, given.only),
        overrides=tuple(given.overrides),
    )


def _main(study: Study, given: argparse.Namespace) -> None:
    plan = read_plan(study, given)
    everything = replace(plan, networks=tuple(plan.budget.networks)).runs()
    runs = [run for run in everything if run.network in plan.networks]
    if given.list:
        print("\n".join(list_runs(plan, runs, state_of)))
        return
    with only_process(given.out) as lock:
        left = [] if given.draw else [run for run in runs if not is_finished(run)]
        print(f"{study.name}: {len(left)} of {len(runs)} trainings to be done", flush=True)
        try:
            for run in carry_out(plan, left, given.jobs, lock):
                print(f"{study.name}: {run.name} is finished", flush=True)
                write_down(plan, everything, given)
        except StudyStopped as stopped:
            print(f"stopped; this continues:\n  {_this_command()}", flush=True)
            raise SystemExit(stopped.exit_code) from None
        if not left:
            write_down(plan, everything, given)


def write_down(plan: Plan, runs: Sequence[Run], given: argparse.Namespace) -> None:
    """Write the points, curves and page section of all points that these trainings have so far."""
    study = plan.study
    points = [point for run in runs for point in read_points(run.folder, run.origin)]
    results = Results(given.page / "results")
    if points:
        results.write(_found(plan, given, runs, points))
        picture = results.file(study.name, plan.budget_name, ".png")
        draw_curves(points, f"{study.title}, budget {plan.budget_name}", picture)
    page = given.page / PAGE
    write_page(page, results, study.name, study_section(study, results))
    print(f"written: {page}", flush=True)


def _found(
    plan: Plan, given: argparse.Namespace, runs: Sequence[Run], points: list[Point]
) -> Trainings:
    conditions = Conditions(
        schedule=plan.budget.schedule.words,
        command=_shown_command(plan, given),
        images=plan.train_archive().images,
        networks=plan.budget.networks,
        machines=_machines(runs),
    )
    return Trainings(plan.study.name, plan.budget_name, points, conditions)


def _machines(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    files = {run.name: run.folder / MACHINE for run in runs}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def _shown_command(plan: Plan, given: argparse.Namespace) -> str:
    """The command as the page shows it, without local paths and options that change no number."""
    words = ["python", f"studies/{plan.study.name}.py", "--budget", plan.budget_name]
    words += ["--data", plan.images.root.resolve().name]
    if given.seeds is not None:
        words += ["--seeds", str(given.seeds)]
    if given.jobs > 1:  # the speeds are those of networks that share a machine
        words += ["--jobs", str(given.jobs)]
    return shlex.join([*words, *plan.overrides])


def _this_command() -> str:
    return shlex.join([Path(sys.executable).name, *sys.argv])
