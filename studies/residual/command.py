"""The command line of a study: what is to be done, done, and written down after every training."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import ROOT
from resnet_backbones.errors import UserError
from studies.common import run_study, study_parser
from studies.residual.costs import list_runs
from studies.residual.curves import draw_curves
from studies.residual.page import PAGE, write_page
from studies.residual.points import read_points
from studies.residual.results import Conditions, Found, Results
from studies.residual.study import Plan, Run, Study, choose_networks
from studies.residual.subsets import StudyImages
from studies.residual.trainings import (
    MACHINE,
    StudyStopped,
    finish,
    is_finished,
    only_process,
    state_of,
)

OUT = "runs/studies"


def run_command(study: Study, description: str | None) -> None:
    """Be the program of a study."""
    parser = _parser(study, description)
    run_study(lambda: _main(study, parser.parse_args()))


def _parser(study: Study, description: str | None) -> argparse.ArgumentParser:
    parser = study_parser(description)
    parser.add_argument("--budget", choices=tuple(study.budgets), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NETWORK",
        help="train this network alone; give it several times",
    )
    parser.add_argument("--seeds", type=int, help="trainings of each network")
    parser.add_argument("--list", action="store_true", help="print the trainings, and do nothing")
    parser.add_argument(
        "--draw", action="store_true", help="write tables and curves of what there is, and no more"
    )
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
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings of all trainings"
    )
    return parser


def read_plan(study: Study, given: argparse.Namespace) -> Plan:
    """What the command line asks for; UserError where it cannot be."""
    budget = study.budgets[given.budget]
    if given.seeds is not None and given.seeds < 1:
        raise UserError(f"--seeds must be >= 1, got {given.seeds}")
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
    with only_process(given.out) as lock:
        runs = plan.runs()
        if given.list:
            print("\n".join(list_runs(plan, runs, state_of)))
            return
        for number, run in enumerate(runs, start=1):
            if given.draw or is_finished(run):
                continue
            print(f"{study.name}: {run.name}, {number} of {len(runs)} trainings", flush=True)
            try:
                finish(plan, run, lock)
            except StudyStopped as stopped:
                print(f"stopped; this continues:\n  {_this_command()}", flush=True)
                raise SystemExit(stopped.exit_code) from None
            write_down(plan, runs, given)
        write_down(plan, runs, given)


def write_down(plan: Plan, runs: Sequence[Run], given: argparse.Namespace) -> None:
    """Write points, curves and the page of what there is so far."""
    points = [point for run in runs for point in read_points(run.folder, run.origin)]
    if not points:
        raise UserError(f"a table needs a training that was scored, got none in {plan.out}")
    budget = plan.budget
    networks = {name: budget.networks[name] for name in plan.networks}
    found = Found(
        plan.study.name,
        plan.budget_name,
        points,
        Conditions(
            schedule=budget.schedule.words,
            command=_shown_command(plan, given),
            networks=networks,
            machines=_machines(runs),
        ),
    )
    results = Results(given.page / "results")
    results.write(found)
    title = f"{plan.study.title}, budget {plan.budget_name}"
    draw_curves(points, title, results.file(plan.study.name, plan.budget_name, ".png"))
    page = given.page / PAGE
    write_page(page, results, plan.study)
    print(f"written: {page}", flush=True)


def _machines(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    files = {run.name: run.folder / MACHINE for run in runs}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def _shown_command(plan: Plan, given: argparse.Namespace) -> str:
    """The command for readers: paths of this machine are left out."""
    words = ["python", f"studies/{plan.study.name}.py", "--budget", plan.budget_name]
    words += ["--data", plan.images.root.resolve().name]
    for name in given.only:
        words += ["--only", name]
    if given.seeds is not None:
        words += ["--seeds", str(given.seeds)]
    return shlex.join([*words, *plan.overrides])


def _this_command() -> str:
    return shlex.join([Path(sys.executable).name, *sys.argv])
