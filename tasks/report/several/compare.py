"""Several runs of one task side by side: a table, and a page with their curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.report.compare import ReadSettings, as_written
from tasks.report.several.read import OneRun, is_run, read_run
from tasks.report.several.table import (
    best_first,
    differing_settings,
    have_same_data,
    make_columns,
    run_names,
    settings_lines,
    table_lines,
)


@dataclass(frozen=True)
class Several:
    """What `compare_several` found, to be printed."""

    task: str
    runs: tuple[OneRun, ...]
    """The best one first."""
    scores: tuple[str, ...]
    """Names of the main ones."""
    left_out: tuple[Path, ...]
    """What is none of a run."""

    @property
    def names(self) -> list[str]:
        """What the runs are called."""
        return run_names([run.folder for run in self.runs])

    @property
    def notes(self) -> list[str]:
        """What a reader of the scores should know."""
        scored = [run for run in self.runs if run.scored_on]
        if not have_same_data(self.runs):
            names = run_names([run.folder for run in scored])
            sets = [f"{name} on {run.scored_on}" for name, run in zip(names, scored, strict=True)]
            return [f"scored on different data, so that none is best: {'; '.join(sets)}"]
        return [f"scored on {run.scored_on}" for run in scored[:1]]

    def __str__(self) -> str:
        lines = []
        if self.left_out:
            lines.append(f"left out, as no run is there: {', '.join(map(str, self.left_out))}")
        lines += [
            *table_lines(self.names, make_columns(self.runs, self.scores)),
            "",
            "Scores in percent, of the last evaluation; * is the best.",
            *self.notes,
            "",
            *settings_lines(self.names, differing_settings(self.runs)),
        ]
        return "\n".join(lines)


def choose_runs(paths: Sequence[Path]) -> tuple[list[Path], tuple[Path, ...]]:
    """Those of the paths that are folders of runs or evaluations, and the others.

    UserError where there is none of a run.
    """
    runs = [path for path in paths if is_run(path)]
    if not runs:
        rule = "a comparison needs the folders of runs, which hold config.yaml or evaluation.json"
        raise UserError(f"{rule}, and found none in {', '.join(map(str, paths))}")
    return runs, tuple(path for path in paths if path not in runs)


def compare_several(
    task: str,
    folders: Sequence[Path],
    scores: Sequence[str],
    *,
    left_out: Sequence[Path] = (),
    read_settings: ReadSettings = as_written,
) -> Several:
    """Read runs of one task, whose main scores have the names `scores`, the first counting most.

    `read_settings` brings settings to the present form.
    """
    runs = [read_run(folder, read_settings) for folder in folders]
    return Several(task, tuple(best_first(runs, scores[0])), tuple(scores), tuple(left_out))
