#!/usr/bin/env python3
"""Does bf16 cost average precision?  The same recipe in bf16 and in fp32 with several seeds, each
scored in both.

studies/precision.py configs/quickstart.yaml schedule.steps=200

Runs go to --out and are resumed where they were interrupted; the table goes to
benchmarks/results/precision.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# benchmarks/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import RESULTS, ROOT, markdown_table
from studies.common import Spread, report_head, run_study, study_parser

PRECISIONS = ("bf16", "fp32")
Scores = dict[tuple[str, int, str], float]  # trained in, seed, scored in -> AP times 100


def main() -> None:
    """Train and score all, then write the table."""
    parser = study_parser(__doc__)
    parser.add_argument("config", help="settings file of the recipe")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings that replace the file's"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds (default: 0 1 2)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/precision"), help="folder of the runs"
    )
    given = parser.parse_args()
    scores: Scores = {}
    for seed in given.seeds:
        for trained in PRECISIONS:
            folder = given.out / f"{trained}-{seed}"
            settings = (
                *given.overrides,
                f"run.output_dir={folder}",
                f"run.seed={seed}",
                f"run.precision={trained}",
            )
            run_tool("train_det", given.config, *settings, "run.resume=auto")
            for scored in PRECISIONS:
                scores[trained, seed, scored] = score(folder, trained, scored)
    text = report(scores, given.seeds)
    (RESULTS / "precision.md").write_text(text, encoding="utf-8")
    print(text)


def run_tool(name: str, *arguments: str) -> None:
    """One of our tools, in a process of its own."""
    subprocess.run([sys.executable, str(ROOT / "tools" / f"{name}.py"), *arguments], check=True)


def score(folder: Path, trained: str, precision: str) -> float:
    """AP times 100 of a run's last checkpoint in a precision; that of training was scored at its
    end.
    """
    out = folder
    if precision != trained:
        out = folder / f"scored-{precision}"
        run_tool(
            "eval_det", str(folder / "last.pt"), f"run.precision={precision}", "--out", str(out)
        )
    found: float = json.loads((out / "evaluation.json").read_text())["scores"]["box/AP"]
    return 100 * found


def report(scores: Scores, seeds: Sequence[int]) -> str:
    """The table, and what it says of training and of scoring."""
    rows = [("trained in", *(f"seed {seed}" for seed in seeds), "mean", "standard deviation")]
    means = {}
    for trained in PRECISIONS:
        own = [scores[trained, seed, trained] for seed in seeds]
        spread = Spread.of(own)
        means[trained] = spread.mean
        rows.append((trained, *(f"{value:.2f}" for value in own), *spread.shown()))
    apart = [
        abs(scores[trained, seed, "bf16"] - scores[trained, seed, "fp32"])
        for trained, seed, _ in scores
    ]
    lines = report_head("bf16 and fp32: box AP, times 100")
    lines += ["Each detector scored in the arithmetic that it was trained in:", ""]
    lines += markdown_table(rows)
    lines += ["", f"bf16 less fp32, of the means: {means['bf16'] - means['fp32']:+.2f}."]
    lines += [
        f"The same checkpoint scored in both: at most {max(apart):.2f} apart, over"
        f" {len(apart) // 2} checkpoints."
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_study(main)
