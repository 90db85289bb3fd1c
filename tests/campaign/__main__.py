"""The command line: `python -m campaign --seed N [--only KIND …]`."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from campaign import damage, hostile, inputs, names, ranks, upsets
from campaign.case import Case
from campaign.pool import Found, describe, run_all, run_case
from campaign.prepare import prepare
from campaign.processes import set_limit
from campaign.table import table

MODULES = (upsets, ranks, names, damage, hostile, inputs)
KINDS = {kind.name: kind for module in MODULES for kind in module.KINDS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what all cases follow from")
    parser.add_argument("--minutes", type=float, help="begin no further case after so long")
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=KINDS, help="kinds of cases")
    parser.add_argument("--quick", action="store_true", help="the few cases that the tests run")
    parser.add_argument(
        "--replay",
        metavar="SEED:KIND:INDEX",
        help="run one case again; where it fails, it is kept in runs/campaign",
    )
    parser.add_argument("--processes", type=int, default=2, help="cases at once (default: 2)")
    parser.add_argument("--limit", type=float, default=60, help="seconds for a command (60)")
    parser.add_argument("--keep", type=Path, help="folder for the cases that fail")
    parser.add_argument("--out", type=Path, help="write the table as Markdown")
    return parser


def chosen_cases(arguments: argparse.Namespace) -> list[Case]:
    """The cases that were asked for; kinds take turns, so that a run cut short has some of each."""
    if arguments.replay:
        seed, kind, index = arguments.replay.split(":")
        return [Case(int(seed), kind, int(index))]
    names = arguments.only or list(KINDS)
    counts = {name: KINDS[name].quick if arguments.quick else KINDS[name].full for name in names}
    shares = [
        ((index + 0.5) / counts[name], name, index)
        for name in names
        for index in range(counts[name])
    ]
    return [Case(arguments.seed, name, index) for _, name, index in sorted(shares)]


def main() -> int:
    """Run the cases; 0 where the product did right in all of them."""
    arguments = _parser().parse_args()
    set_limit(arguments.limit)
    work = Path(tempfile.mkdtemp(prefix="campaign-"))
    keep = arguments.keep or (Path("runs/campaign") if arguments.replay else None)
    began = time.monotonic()
    try:
        cases = chosen_cases(arguments)
        base = prepare(work / "base", cases)
        print(f"{len(cases)} cases; prepared in {time.monotonic() - began:.0f} s", flush=True)
        found = _run(cases, base, work / "cases", keep, arguments)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = table(found, KINDS)
    print(f"\n{text}\n{len(found)} cases in {(time.monotonic() - began) / 60:.1f} minutes")
    if arguments.out:
        arguments.out.write_text(text)
    return int(len(found) < len(cases) or not all(one.is_good for one in found))


def _run(
    cases: list[Case], base: Path, work: Path, keep: Path | None, arguments: argparse.Namespace
) -> list[Found]:
    """Run the cases and tell of those that fail."""
    deadline = None
    if arguments.minutes is not None:
        deadline = time.monotonic() + 60 * arguments.minutes

    def run(case: Case) -> Found:
        return run_case(case, KINDS[case.kind], base, work, keep)

    found: list[Found] = []
    for one in run_all(cases, run, arguments.processes, deadline):
        found.append(one)
        if not one.is_good or arguments.replay:
            print(describe(one), flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
